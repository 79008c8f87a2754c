"""What is made of Serve's own words about a rollout."""

import pytest

from app.deployments.rollout.progress import (
    GIVEN_UP,
    Application,
    Deployment,
    Replica,
    Rollout,
    ServeDetails,
)

OLD, NEW = 100.0, 200.0


def make_deployment(
    status: str = "UPDATING",
    starts: tuple[float, ...] = (),
    message: str = "",
    trigger: str = "REPLICA_STARTUP_FAILED",
) -> Deployment:
    """Make a deployment of two replicas, of which some run since a time."""
    replicas: list[Replica] = [{"state": "RUNNING", "start_time_s": start} for start in starts]
    replicas.append({"state": "STARTING", "start_time_s": NEW})
    return {
        "status": status,
        "status_trigger": trigger,
        "message": message,
        "target_num_replicas": 2,
        "replicas": replicas,
    }


def make_details(
    status: str, deployed: float, proxy: str = "HEALTHY", **deployments: Deployment
) -> ServeDetails:
    """Make what Serve tells of one application."""
    application: Application = {
        "status": status,
        "message": "",
        "last_deployed_time_s": deployed,
        "source": "declarative",
        "deployed_app_config": {},
        "deployments": deployments,
    }
    return {
        "controller_info": {},
        "applications": {"vitrine": application},
        "proxies": {"head": {"status": proxy}},
    }


BEFORE = make_details("RUNNING", OLD)
ROLLOUT = Rollout(["vitrine"], BEFORE)


def test_a_status_from_before_counts_for_nothing() -> None:
    """It may be RUNNING, or have failed."""
    assert ROLLOUT.describe(BEFORE) == "waiting for Serve"
    assert not ROLLOUT.is_complete(BEFORE)
    assert ROLLOUT.find_failure(make_details("DEPLOY_FAILED", OLD)) is None


def test_new_replicas_are_counted_apart_from_old_ones() -> None:
    """Until the deployment is as it should be."""
    updating = make_details(
        "DEPLOYING",
        NEW,
        Classifier=make_deployment(starts=(OLD, OLD, NEW)),
        Ingress=make_deployment("HEALTHY", starts=(OLD, OLD)),
    )
    assert ROLLOUT.describe(updating) == "Classifier 1 of 2 (2 from before), Ingress 2 of 2"
    assert ROLLOUT.describe(make_details("DEPLOYING", NEW)) == "building the application"


def test_it_is_complete_when_all_run_behind_proxies_that_are_ready() -> None:
    """An application that runs behind none answers nobody."""
    assert ROLLOUT.is_complete(make_details("RUNNING", NEW))
    assert not ROLLOUT.is_complete(make_details("DEPLOYING", NEW))
    waiting = make_details("RUNNING", NEW, "STARTING")
    assert not ROLLOUT.is_complete(waiting)
    assert ROLLOUT.describe(waiting).endswith("1 of 1 proxies not ready")
    assert not ROLLOUT.is_complete(make_details("RUNNING", NEW) | {"proxies": {}})
    assert not Rollout(["vitrine", "other"], BEFORE).is_complete(make_details("RUNNING", NEW))


def test_a_failure_is_the_last_line_of_the_error() -> None:
    """With whether the replicas that run are enough to serve."""
    error = "It failed. Error:\nTraceback\n  File\napp.errors.SettingsError: VITRINE_X is wrong."
    failed = make_deployment("DEPLOY_FAILED", (OLD,), error)
    healthy = make_deployment("HEALTHY", (NEW,))
    details = make_details("DEPLOY_FAILED", NEW, Classifier=failed, Ingress=healthy)
    start = "vitrine is DEPLOY_FAILED: VITRINE_X is wrong. "
    assert ROLLOUT.find_failure(details) == f"{start}The replicas that run go on serving."
    failed["replicas"] = []
    assert ROLLOUT.find_failure(details) == f"{start}Classifier has no replica left."


def test_a_failure_without_a_word_is_said() -> None:
    """Such as one before there is any deployment."""
    found = ROLLOUT.find_failure(make_details("DEPLOY_FAILED", NEW))
    assert found == "vitrine is DEPLOY_FAILED: Serve gives no reason"


@pytest.mark.parametrize("status", ["UNHEALTHY", "DEPLOY_FAILED"])
def test_a_replica_that_is_replaced_is_no_failure(status: str) -> None:
    """Serve has this status until the new one runs; it is told of."""
    message = "A replica's health check failed. This deployment will be UNHEALTHY until"
    failed = make_deployment(status, (OLD, NEW), message, "HEALTH_CHECK_FAILED")
    healthy = make_deployment("HEALTHY", (NEW,))
    details = make_details(status, NEW, Classifier=failed, Ingress=healthy)
    assert ROLLOUT.find_failure(details) is None
    assert not ROLLOUT.is_complete(details)
    told = "Classifier 1 of 2 (1 from before, a replica failed), Ingress 1 of 2"
    assert ROLLOUT.describe(details) == told


def test_serve_gives_up_when_new_replicas_fail_again_and_again() -> None:
    """Then the reason is the error of the deployment that it gave up."""
    passing = make_deployment("UNHEALTHY", (NEW,), "A replica's", "HEALTH_CHECK_FAILED")
    message = f"{GIVEN_UP[0]} 3 times\nValueError: no"
    failed = make_deployment("DEPLOY_FAILED", (OLD,), message, "HEALTH_CHECK_FAILED")
    details = make_details("DEPLOY_FAILED", NEW, Ingress=passing, Classifier=failed)
    found = str(ROLLOUT.find_failure(details))
    assert found.startswith("vitrine is DEPLOY_FAILED: ValueError: no ")
