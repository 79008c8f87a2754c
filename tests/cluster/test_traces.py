"""Traces on a cluster: requests and batches of several nodes, and the same log lines."""

import itertools
import json
import uuid
from typing import TYPE_CHECKING

import httpx
import yaml  # type: ignore[import-untyped]

from tests.cluster.conftest import KEY, open_cluster, wait_until, wait_until_ready, write_config
from tests.support.nodes import Cluster, Node
from tests.support.otlp_receiver import OtlpReceiver, receive_spans
from tests.support.ports import find_port
from tests.support.service import EVERYWHERE, SEVEN

if TYPE_CHECKING:
    from pathlib import Path

REQUESTS = 40
STAGES = {"receive", "read", "wait", "batch", "inference", "answer"}


def deploy_traced(cluster: Cluster, port: int) -> None:
    """Deploy with the variables in the Serve config file, from which every replica gets them."""
    path = write_config(cluster.folder, {"slow_s": 0})
    config = yaml.safe_load(path.read_text())
    host = cluster.head.address.rpartition(".")[0] + ".1"  # this process, on the nodes' bridge
    config["controller_options"]["runtime_env"]["env_vars"] |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}:{port}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    path.write_text(yaml.safe_dump(config))
    command = ("vitrine", "deploy", "--address", cluster.dashboard, str(path))
    done = cluster.head.try_to_run(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    for node in cluster.nodes:
        wait_until_ready(node)


def predict(node: Node) -> str:
    """Classify an image at the front of a node; gives the trace that it was asked in."""
    trace = uuid.uuid4().hex
    headers = KEY | {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    files = {"file": SEVEN.read_bytes()}
    answer = httpx.post(f"{node.url}/predict", files=files, headers=headers, timeout=30)
    assert answer.status_code == 200
    return trace


def read_lines(cluster: Cluster, traces: set[str]) -> list[dict[str, object]]:
    """Read the lines of requests from the files that Ray keeps on the nodes."""
    paths: list[Path] = sorted(cluster.folder.rglob("worker-*.err"))
    texts = (path.read_text(errors="replace") for path in dict.fromkeys(p.resolve() for p in paths))
    lines = (line for text in texts for line in text.splitlines() if '"trace_id"' in line)
    return [one for one in map(json.loads, lines) if one["trace_id"] in traces]


def check_links(receiver: OtlpReceiver, traces: set[str]) -> None:
    """Check that each request is linked to the batch that ran it, wherever that was."""
    for trace in traces:
        spans = receiver.wait_for_call(trace)
        (inference,) = [one for one in spans if one.name == "inference"]
        (root,) = [one for one in spans if one.name == "POST /predict"]
        receiver.wait_for(lambda all_: inference.links <= {one.span.span_id for one in all_})  # noqa: B023
        (batch,) = [one for one in receiver.spans if one.span.span_id in inference.links]
        assert root.span.span_id in batch.links
        assert batch.scope == "vitrine.classifier"


def test_requests_of_every_node_are_traced_and_logged_alike() -> None:
    """Each is linked with its batch; all ingresses and classifiers write spans, and lines."""
    port = find_port()
    with open_cluster(2) as cluster, receive_spans(port, EVERYWHERE) as receiver:
        deploy_traced(cluster, port)
        fronts = itertools.cycle(cluster.nodes)
        traces = {predict(next(fronts)) for _ in range(REQUESTS)}
        check_links(receiver, traces)
        assert len({one.instance for one in receiver.spans}) == 4
        wait_until(lambda: len(read_lines(cluster, traces)) == REQUESTS, timeout_s=20)
        for line in read_lines(cluster, traces):
            slow = line["slow"]
            assert isinstance(slow, dict)
            assert set(slow) == {f"{name}_ms" for name in STAGES}
