"""Real nodes: deploy/serve.yaml on two and three of them, each with an address of its own.

`make cluster-test` runs what is here; `make test` leaves it out, because it takes minutes and root.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from app.api.grpc.servicer import SERVICERS
from app.auth.keys import hash_key
from tests.support.load import Load, make_request
from tests.support.nodes import BIN, HTTP_PORT, Cluster, Node, find_hindrance, make_cluster
from tests.support.service import ANN, ROOT, SEVEN

GRPC_PORT = 9000
KEY = {"Authorization": f"Bearer {ANN}"}
LEAD_S = 3.0
"""Seconds of load before something happens."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all of it, with the reason, where no nodes can be made."""
    hindrance = find_hindrance()
    for item in items:
        if hindrance and Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=hindrance))


def write_config(folder: Path, **args: object) -> Path:
    """Write deploy/serve.yaml with a key, two replicas of each kind, and these settings."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "serve.yaml").read_text())
    variables = config["controller_options"]["runtime_env"]["env_vars"]
    variables["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(BIN / "vitrine-haproxy")
    config["grpc_options"] = {"port": GRPC_PORT, "grpc_servicer_functions": [*SERVICERS]}
    own = {"api_keys": f"ann:{hash_key(ANN)}", "ingress_replicas": 2, "classifier_replicas": 2}
    config["applications"][0]["args"] |= own | args
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def deploy(cluster: Cluster, nodes: list[Node] | None = None, **args: object) -> None:
    """Deploy it, and wait until the fronts of all nodes answer."""
    config = write_config(cluster.folder, **args)
    cluster.head.run("serve", "deploy", "--address", cluster.dashboard, str(config))
    for node in cluster.nodes if nodes is None else nodes:
        wait_until_ready(node)


def wait_until_ready(node: Node) -> None:
    """Wait until the front of a node answers."""
    wait_until(lambda: httpx.get(f"{node.url}/readyz", timeout=5).status_code == 200)


def wait_until(is_so: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Wait until something is so; an error of HTTP counts as not."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if is_so():
                return
        assert time.monotonic() < deadline, f"not so in {timeout_s:.0f} s"
        time.sleep(0.2)


def run_load(cluster: Cluster, act: Callable[[Load], None], clients: int = 8) -> Load:
    """Keep clients busy at the fronts of all nodes while something happens, and before that."""
    lines = [f"{name}: {value}" for name, value in KEY.items()]
    fronts = [(node.address, HTTP_PORT) for node in cluster.nodes]
    load = Load(fronts, make_request(SEVEN.read_bytes(), lines))

    def wait_and_act() -> None:
        wait_until(lambda: len(load.healthy) == len(fronts))
        time.sleep(LEAD_S)
        act(load)

    asyncio.run(load.run(clients, wait_and_act))
    return load


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Cluster]:
    """Two nodes that serve."""
    with make_cluster(2) as cluster:
        deploy(cluster)
        yield cluster


@pytest.fixture
def three_nodes() -> Iterator[Cluster]:
    """Three nodes that serve, with three ingresses and classifiers: one of each on every node."""
    with make_cluster(3) as cluster:
        deploy(cluster, ingress_replicas=3, classifier_replicas=3)
        yield cluster
