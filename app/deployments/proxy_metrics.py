"""Metrics of the HAProxy of this node, which answers some requests in place of the service.

Its exporter listens on 127.0.0.1 and is read when a snapshot is taken. HAProxy starts anew whenever
replicas come and go, and counts from zero then.
"""

import http.client
import os
from collections.abc import Sequence
from typing import NamedTuple

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from app.deployments.haproxy_config import APP_NAME
from app.deployments.self_check import has_haproxy

TIMEOUT_S = 0.5
"""Seconds that HAProxy gets to connect, and between bytes."""

MAX_PAGE_BYTES = 4 << 20
"""Bytes of the page that are read; a replica takes 20 kB of it."""

_PATH = "/metrics?scope=frontend&scope=backend"
_SERVED = {
    "http_frontend": "http",
    f"http-{APP_NAME}": "http",
    "grpc_frontend": "grpc",
    f"grpc-{APP_NAME}": "grpc",
}
"""Which API HAProxy's listeners and groups of servers are for."""


class Figure(NamedTuple):
    """A metric, and the one of HAProxy that it is taken from, with the label that stays."""

    name: str
    type: str
    text: str
    source: str
    label: str = ""


# fmt: off
FIGURES = tuple(Figure(*row) for row in (
    ("vitrine_proxy_requests", "counter", "Requests that HAProxy has received, probes too.",
     "haproxy_frontend_http_requests_total"),
    ("vitrine_proxy_responses", "counter", "Answers by class of status, HAProxy's own too.",
     "haproxy_frontend_http_responses_total", "code"),
    ("vitrine_proxy_refusals", "counter",
     "Requests that HAProxy refused in place of the service, which was at capacity.",
     "haproxy_backend_requests_denied_total"),
    ("vitrine_proxy_invalid_requests", "counter", "Requests that were no HTTP or came too slowly.",
     "haproxy_frontend_request_errors_total"),
    ("vitrine_proxy_retries", "counter", "Requests that were sent to a replica again.",
     "haproxy_backend_retry_warnings_total"),
    ("vitrine_proxy_connections", "gauge", "Connections of clients now.",
     "haproxy_frontend_current_sessions"),
    ("vitrine_proxy_replicas", "gauge",
     "Ingress replicas by what HAProxy takes them for, with the proxy that it falls back to.",
     "haproxy_backend_agg_server_status", "state"),
))
# fmt: on
_SOURCES = tuple(figure.source + "{" for figure in FIGURES)


def read_proxy() -> Sequence[Metric]:
    """Read what HAProxy has counted; nothing where Serve runs without it."""
    if not has_haproxy():
        return []
    answers = Metric("vitrine_proxy_up", "1 where HAProxy tells its metrics, else 0.", "gauge")
    try:
        figures = parse_page(_fetch())
    except (OSError, http.client.HTTPException, ValueError):
        figures = []
    answers.add_sample(answers.name, {}, float(bool(figures)))
    return [answers, *figures]


def parse_page(page: str) -> Sequence[Metric]:
    """Parse HAProxy's page.

    Raises:
        ValueError: it is none.
    """
    lines = (line for line in page.splitlines(keepends=True) if line.startswith(_SOURCES))
    found = [
        sample
        for family in text_string_to_metric_families("".join(lines))
        for sample in family.samples
        if sample.labels.get("proxy") in _SERVED
    ]
    return [metric for figure in FIGURES if (metric := _convert(figure, found)).samples]


def _convert(figure: Figure, found: list[Sample]) -> Metric:
    """Make one metric."""
    metric = Metric(figure.name, figure.text, figure.type)
    suffix = "_total" if figure.type == "counter" else ""
    for sample in (one for one in found if one.name == figure.source):
        labels = {"api": _SERVED[sample.labels["proxy"]]}
        if figure.label:
            labels[figure.label] = sample.labels[figure.label].lower()
        metric.add_sample(figure.name + suffix, labels, sample.value)
    return metric


def _fetch() -> str:
    """Fetch HAProxy's page; raises OSError or HTTPException."""
    port = int(os.environ.get("RAY_SERVE_HAPROXY_METRICS_PORT", "9101"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", _PATH)
        return connection.getresponse().read(MAX_PAGE_BYTES).decode()
    finally:
        connection.close()
