"""What the controller sends and reads at a size, and how often a port may change hands.

The periods and ranges are those of the installed Ray and of the service; nothing is timed.
"""

import statistics

from bench.kit.results import Record
from bench.studies.cluster_classifier import Shape

HEALTH_S = 5.0
"""`health_check_period_s` of both deployments."""


def count_port_changes(live: int) -> Record:
    """Return how many ingress replicas a node can replace in an hour, beside those that live."""
    from ray.serve._private import constants  # noqa: PLC0415 - imports Ray

    first = constants.RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT
    ports = constants.RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT - first
    quarantine_s = constants.RAY_SERVE_PORT_QUARANTINE_S
    per_h = round(3600 * (ports - live) / quarantine_s)
    return {"ports": ports, "quarantine_s": quarantine_s, "live": live, "per_h": per_h}


def count_messages(shape: Shape) -> Record:
    """Return messages/s at the controller, when nothing changes, and those of one change.

    Long polls end after 30 to 60 s and begin again (long_poll.py:50); their clients are a front's
    manager on each node and the router of each ingress. Reports to the autoscaler come from each
    ingress and its handle, and from each classifier (replica.py:698, router.py:346).
    """
    from ray.serve._private import constants, long_poll  # noqa: PLC0415 - imports Ray

    from app.deployments.autoscaling import REPORT_S  # noqa: PLC0415 - imports Ray

    nodes, ingresses, classifiers = size = shape.nodes, shape.ingresses, shape.classifiers
    check_s = float(constants.RAY_SERVE_HAPROXY_HEALTH_CHECK_INTER.removesuffix("s"))
    poll_s = statistics.mean(long_poll.LISTEN_FOR_CHANGE_REQUEST_TIMEOUT_S)
    fronts = nodes / constants.PROXY_HEALTH_CHECK_PERIOD_S
    return {
        "shape": size,
        "polls": round((nodes + ingresses) / poll_s, 1),
        "health_checks": round((ingresses + classifiers) / HEALTH_S + fronts, 1),
        "autoscaling_reports": round((2 * ingresses + classifiers) / REPORT_S, 1),
        "of_an_ingress_change": nodes,
        "of_a_classifier_change": ingresses,
        "checks_of_an_ingress": round(nodes / check_s, 1),
    }
