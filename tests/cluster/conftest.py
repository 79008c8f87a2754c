"""Real nodes: deploy/serve.yaml on two and three of them, each with an address of its own.

`make cluster-test` runs what is here; `make test` leaves it out, because it takes minutes and root.
"""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from app.api.grpc.servicer import SERVICERS
from app.auth.keys import hash_key
from tests.support.bridge import find_hindrance
from tests.support.load import Load, make_request
from tests.support.nodes import HTTP_PORT, Cluster, Node, make_cluster
from tests.support.serve_file import BOUNDS, read_serve_file
from tests.support.service import ANN, SEVEN

GRPC_PORT = 9000
KEY = {"Authorization": f"Bearer {ANN}"}
LEAD_S = 3.0
"""Seconds of load before something happens."""


@contextlib.contextmanager
def open_cluster(count: int, cpus: int = 4) -> Iterator[Cluster]:
    """Make a cluster of so many nodes; skip the test, with the reason, where none can be made."""
    if hindrance := find_hindrance():
        pytest.skip(hindrance)
    with make_cluster(count, cpus) as cluster:
        yield cluster


def write_config(folder: Path, args: Mapping[str, object], release: str = "") -> Path:
    """Write deploy/serve.yaml with a key, two replicas of each kind, and these settings."""
    config = read_serve_file(
        **{"api_keys": f"ann:{hash_key(ANN)}"} | bound_replicas(2) | dict(args)
    )
    config["grpc_options"] = {"port": GRPC_PORT, "grpc_servicer_functions": [*SERVICERS]}
    if release:
        config["applications"][0]["runtime_env"] = {"env_vars": {"RELEASE": release}}
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def bound_replicas(count: int) -> dict[str, Any]:
    """Have so many replicas of each kind, neither more nor fewer."""
    return dict.fromkeys(BOUNDS, count)


def try_to_deploy(
    cluster: Cluster, args: Mapping[str, object], release: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run `vitrine deploy` with it on the head, which ends when it serves or is refused."""
    config = str(write_config(cluster.folder, args, release))
    return cluster.head.try_to_run("vitrine", "deploy", "--address", cluster.dashboard, config)


def deploy(cluster: Cluster, *, release: str = "", **args: object) -> None:
    """Deploy it, and wait until the fronts of all nodes answer."""
    done = try_to_deploy(cluster, args, release)
    assert done.returncode == 0, done.stdout + done.stderr
    for node in cluster.nodes:
        wait_until_ready(node)


def read_refusal(cluster: Cluster, **args: object) -> str:
    """Read the one line with which a deployment ends; what served before serves afterwards."""
    done = try_to_deploy(cluster, args)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    wait_until(lambda: is_served(cluster))
    return line.removeprefix("vitrine: ")


def is_served(cluster: Cluster) -> bool:
    """Tell whether the fronts of all nodes that have a replica answer: Serve ends the others."""
    addresses = {replica.address for replica in cluster.list_replicas()}
    return bool(addresses) and all(is_ready(f"http://{one}:{HTTP_PORT}") for one in addresses)


def wait_until_ready(node: Node) -> None:
    """Wait until the front of a node answers."""
    wait_until(lambda: is_ready(node.url))


def is_ready(url: str) -> bool:
    """Tell whether a front answers that it is ready; raises httpx.HTTPError."""
    return httpx.get(f"{url}/readyz", timeout=5).status_code == 200


def wait_until(is_so: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Wait until something is so; an error of HTTP counts as not."""
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(httpx.HTTPError):
            if is_so():
                return
        assert time.monotonic() < deadline, f"not so in {timeout_s:.0f} s"
        time.sleep(0.2)


def list_nodes(cluster: Cluster) -> dict[str, str]:
    """List the nodes that Ray believes alive: the address of each by its id."""
    code = (
        "import json, ray; ray.init(address='auto', log_to_driver=False, logging_level='ERROR'); "
        "alive = (one for one in ray.nodes() if one['Alive']); "
        "print(json.dumps({one['NodeID']: one['NodeManagerAddress'] for one in alive}))"
    )
    told = cluster.head.run("python", "-c", code)  # Ray may tell of a node that died, too
    (line,) = [line for line in told.splitlines() if line.startswith("{")]
    return dict(json.loads(line))


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
    with open_cluster(2) as cluster:
        deploy(cluster)
        yield cluster


@pytest.fixture
def three_nodes() -> Iterator[Cluster]:
    """Three nodes that serve, with three ingresses and classifiers: one of each on every node."""
    with open_cluster(3) as cluster:
        deploy(cluster, **bound_replicas(3))
        yield cluster
