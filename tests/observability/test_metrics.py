"""The page of metrics: of many replicas, in both formats, whatever the labels are."""

import importlib
import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import Metric

from app.deployments.proxy_metrics import FIGURES
from app.observability.call_record import CallOutcome
from app.observability.call_recorder import CallRecorder
from app.observability.logs import request_id
from app.observability.metrics import (
    MAX_VALUE,
    REGISTRY,
    Snapshot,
    clean_value,
    render_metrics,
    take_snapshot,
)
from app.observability.request_metrics import PROBES, count_request
from tests.support.scrapes import OPEN_METRICS, Page, add_up, read_page

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"

ELSEWHERE = ("vitrine_gpu_", "vitrine_silent_replicas", "vitrine_proxy_up")
"""Metrics that are not in a list: tests of their own have them."""

HOSTILE = {
    "quotes": 'a "label" \\ of \\n quotes',
    "newlines": 'a\nb"} 1\nvitrine_forged{x="1"} 7\n',
    "long": "x" * 10_000,
    "empty": "",
    "surrogate": "half of \ud83d a pair",
    "not Latin": "ネコ 🐈",
}


def make_metrics(label: str, count: int) -> list[Metric]:
    """Make a counter and a histogram of a process."""
    registry = CollectorRegistry()
    Counter("vitrine_things", "Things.", ["label"], registry=registry).labels(label).inc(count)
    Histogram("vitrine_wait_seconds", "Waits.", registry=registry, buckets=(1, 2)).observe(count)
    return list(registry.collect())


def render(*snapshots: Snapshot, silent: int = 0, accept: str = "") -> Page:
    """Render a page and read it again."""
    page, content_type = render_metrics(snapshots, {"Classifier": silent}, accept)
    assert content_type.startswith("application/openmetrics-text" if accept else "text/plain")
    return read_page(page.decode(), is_open=bool(accept))


@pytest.mark.parametrize("accept", ["", OPEN_METRICS])
def test_series_of_replicas_stand_side_by_side(accept: str) -> None:
    """Each has its own, and they add up."""
    page = render(
        Snapshot("Ingress", "a", make_metrics("x", 1)),
        Snapshot("Ingress", "b", make_metrics("x", 2)),
        accept=accept,
    )
    assert add_up(page, "vitrine_things_total", deployment="Ingress") == 3
    assert add_up(page, "vitrine_things_total", replica="b", label="x") == 2
    assert add_up(page, "vitrine_wait_seconds_sum") == 3
    assert add_up(page, "vitrine_wait_seconds_bucket", le="1.0") == 1


def test_what_a_node_has_is_there_once() -> None:
    """However many of its replicas tell it, and under its address alone."""
    of_a, of_b = (make_metrics(label, 1)[:1] for label in ("gpu 1", "gpu 2"))
    page = render(
        Snapshot("Ingress", "a", [], "10.0.0.1", of_a),
        Snapshot("Ingress", "b", [], "10.0.0.1", [*of_a, *of_b]),
        Snapshot("Ingress", "c", [], "10.0.0.2", of_a),
    )
    series = page["vitrine_things_total"]
    assert add_up(page, "vitrine_things_total", node="10.0.0.1") == 2
    assert add_up(page, "vitrine_things_total", node="10.0.0.2", label="gpu 1") == 1
    assert {name for labels in series for name, _ in labels} == {"node", "label"}


def test_an_example_of_a_bucket_is_the_last_request_in_it() -> None:
    """In OpenMetrics, by its id; Prometheus' older text has none."""
    count_request("/labels", 200, "", 0.004, {"request_id": "one-request"})
    snapshot = take_snapshot("Ingress", "a")
    page, _ = render_metrics([snapshot], {}, OPEN_METRICS)
    (line,) = (line for line in page.decode().splitlines() if "one-request" in line)
    assert 'le="0.005"' in line
    assert line.endswith('# {request_id="one-request"} 0.004')
    assert "one-request" not in render_metrics([snapshot], {}, "")[0].decode()


def test_an_id_that_is_too_long_is_no_example() -> None:
    """OpenMetrics allows 128 characters; a client may choose an id of so many."""
    count_request("/labels", 200, "", 40, {"request_id": "i" * 128})
    page = render(take_snapshot("Ingress", "a"), accept=OPEN_METRICS)
    assert add_up(page, "vitrine_request_seconds_bucket", le="60.0") >= 1


def test_a_replica_without_an_answer_is_told() -> None:
    """Its series are not there, and that is said."""
    page = render(silent=2)
    assert add_up(page, "vitrine_silent_replicas", deployment="Classifier") == 2


@pytest.mark.parametrize("accept", ["", OPEN_METRICS])
@pytest.mark.parametrize("name", HOSTILE)
def test_any_text_may_be_a_label(name: str, accept: str) -> None:
    """It comes back as it is, or cut; and forges no other series."""
    value = clean_value(HOSTILE[name])
    assert len(value) <= MAX_VALUE
    page = render(Snapshot("Ingress", "a", make_metrics(value, 1)), accept=accept)
    assert add_up(page, "vitrine_things_total", label=value) == 1
    assert not any("forged" in series for series in page)


def test_requests_are_counted_by_route_status_and_problem() -> None:
    """And timed by route."""
    before = render(take_snapshot("Ingress", "a"))
    count_request("/predict", 200, "", 0.004)
    count_request("/predict", 415, "unsupported-media-type", 0.2)
    after = render(take_snapshot("Ingress", "a"))
    changes = {
        status: add_up(after, "vitrine_requests_total", route="/predict", status=status)
        - add_up(before, "vitrine_requests_total", route="/predict", status=status)
        for status in ("200", "415", "503")
    }
    assert changes == {"200": 1, "415": 1, "503": 0}
    assert add_up(after, "vitrine_requests_total", problem="unsupported-media-type") >= 1
    bucket = {"route": "/predict", "le": "0.005"}
    changed = add_up(after, "vitrine_request_seconds_bucket", **bucket)
    assert changed - add_up(before, "vitrine_request_seconds_bucket", **bucket) == 1


@pytest.mark.parametrize("route", sorted(PROBES))
def test_what_no_user_asks_is_not_counted(route: str) -> None:
    """Probes and scrapes are no traffic."""
    count_request(route, 200, "", 0.001)
    assert add_up(render(take_snapshot("Ingress", "a")), "vitrine_requests_total", route=route) == 0


def list_metrics() -> set[tuple[str, str, str]]:
    """List the metrics of all replicas: name, type and help."""
    suffixes = {"counter": "_total", "info": "_info"}
    modules = ("app.deployments.ingress", "app.deployments.classifier", "app.classifier.startup")
    for module in modules:
        importlib.import_module(module)
    metrics = {
        (metric.name + suffixes.get(metric.type, ""), metric.type, metric.documentation)
        for metric in REGISTRY.collect()
    }
    figures = {(one.name + suffixes.get(one.type, ""), one.type, one.text) for one in FIGURES}
    return metrics | figures


def test_the_docs_list_every_metric() -> None:
    """docs/metrics.md has exactly these."""
    rows = re.findall(
        r"^\| `(vitrine_\w+)` \| (\w+) \| .*? \| (.*) \|$", DOCS.read_text(), re.MULTILINE
    )
    assert len(rows) > 20
    known = {row for row in rows if not row[0].startswith(ELSEWHERE)}
    assert known == list_metrics()
    assert len(rows) == len(known) + 5


def test_names_are_as_prometheus_wants_them() -> None:
    """A prefix, base units, small letters; and each is explained."""
    for name, _, documentation in list_metrics():
        assert re.fullmatch("vitrine_[a-z_]+", name)
        assert not name.endswith(("_ms", "_milliseconds", "_percent"))
        assert documentation.endswith(".")


@pytest.mark.parametrize("identifier", ['a"b', "a\nb", "a b", "ü", "i" * 101])
def test_an_odd_request_id_spoils_no_page(identifier: str) -> None:
    """Serve keeps what a client chose; such a request is no exemplar."""
    recorder = CallRecorder()
    token = request_id.set(identifier)
    recorder.end(recorder.begin("/labels"), CallOutcome("GET", "/labels", "/labels", 200))
    request_id.reset(token)
    page, _ = render_metrics([take_snapshot("Ingress", "a")], {}, OPEN_METRICS)
    assert read_page(page.decode(), is_open=True)
    assert f'request_id="{identifier}' not in page.decode()
