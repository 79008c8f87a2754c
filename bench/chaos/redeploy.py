"""A rolling redeploy, as a cluster does it: `ray start --head`, then `serve deploy` twice."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from app.deployments.haproxy_config import list_program_variables
from app.deployments.serve_environment import list_serve_variables
from app.standalone.shutdown import end_processes, list_strays
from bench.chaos.rows import PICTURE, Row
from bench.chaos.traffic import Tally, keep_busy
from bench.kit.processes import find_alive, find_tree
from bench.kit.servers import ROOT, BenchError, ask, read_environment
from tests.support.ports import find_port

BIN = Path(sys.executable).parent
READY_S, END_S = 120.0, 20.0
MAX_REQUESTS = 256


@dataclass(frozen=True)
class Cluster:
    """A head node of our own; `address` is its dashboard's, for `serve deploy`."""

    folder: Path
    environment: dict[str, str]
    address: str

    def deploy(self, port: int, batch_size: int) -> None:
        """Deploy deploy/serve.yaml with two replicas of each kind."""
        config = yaml.safe_load((ROOT / "deploy" / "serve.yaml").read_text())
        config["http_options"]["port"] = port
        more = {"batch_size": batch_size, "ingress_replicas": 2, "classifier_replicas": 2}
        config["applications"][0]["args"] |= more
        path = self.folder / "serve.yaml"
        path.write_text(yaml.safe_dump(config))
        self.run("serve", "deploy", "--address", self.address, str(path))

    def run(self, *command: str) -> str:
        """Run a command of Ray's and return what it says."""
        done = subprocess.run(
            (BIN / command[0], *command[1:]),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BenchError(f"{' '.join(command[:2])} failed:\n{done.stdout}{done.stderr}")
        return done.stdout


@contextlib.contextmanager
def run_cluster() -> Iterator[Cluster]:
    """Start a head node on this machine alone, as `vitrine serve` does, and end all of it."""
    with tempfile.TemporaryDirectory(prefix="vt-") as place:  # short: sockets lie in it
        folder, dashboard = Path(place), find_port()
        environment = read_environment() | {"PYTHONPATH": str(ROOT)}
        environment |= list_serve_variables("haproxy", folder)
        environment |= list_program_variables("127.0.0.1", MAX_REQUESTS)
        flags = {
            "--port": find_port(),
            "--dashboard-port": dashboard,
            "--node-ip-address": "127.0.0.1",
            "--num-cpus": 8,
            "--temp-dir": folder / "ray",
            "--object-store-memory": 200 << 20,
        }
        words = [str(word) for pair in flags.items() for word in pair]
        with (folder / "log").open("w") as log:
            head = subprocess.Popen(
                (BIN / "ray", "start", "--head", "--block", *words),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                wait_for_text(folder / "log", "Ray runtime started", head)
                yield Cluster(folder, environment, f"http://127.0.0.1:{dashboard}")
            finally:
                end(head)
                end_processes(list_strays(folder))


def wait_for_text(log: Path, text: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the text is in the log."""
    limit = time.monotonic() + READY_S
    while text not in log.read_text():
        if process.poll() is not None or time.monotonic() > limit:
            raise BenchError(f"Ray did not start:\n{log.read_text()}")
        time.sleep(0.2)


def end(head: subprocess.Popen[bytes]) -> None:
    """End a head node and what is left of its processes, by their ids."""
    tree = find_tree(head.pid)
    head.send_signal(signal.SIGTERM)
    limit = time.monotonic() + END_S
    while find_alive(tree) and time.monotonic() < limit:
        head.poll()
        time.sleep(0.2)
    for survivor in find_alive(tree):
        with contextlib.suppress(ProcessLookupError):
            os.kill(survivor.pid, signal.SIGKILL)
    head.wait()


def redeploy_under_load(seconds: float) -> Row:
    """Deploy the application anew with another batch size: every replica is replaced."""
    port = find_port()
    url = f"http://127.0.0.1:{port}"
    with run_cluster() as cluster:
        cluster.deploy(port, 32)
        limit = time.monotonic() + READY_S
        while ask(f"{url}/predict", PICTURE) is None:
            if time.monotonic() > limit:
                raise BenchError(f"{url} gave no 200")
            time.sleep(0.5)
        before = list_replicas(cluster)

        async def roll() -> Tally:
            load = asyncio.create_task(keep_busy(url, PICTURE, 8, seconds))
            await asyncio.sleep(3)
            await asyncio.to_thread(cluster.deploy, port, 16)
            return await load

        tally = asyncio.run(roll())
        after = list_replicas(cluster)
    kept = len(before & after)
    return {
        "target": "0 failed",
        "served": tally.good,
        "failed": tally.failed,
        "longest_ms": tally.find_ms(HTTPStatus.OK, 100),
        "replicas_before": len(before),
        "replicas_not_replaced": kept,
        "reached": not tally.failed and not kept and len(after) == len(before),
    }


def list_replicas(cluster: Cluster) -> set[str]:
    """List the replicas that run, by id, as the dashboard's REST interface tells them."""
    token = {"Authorization": f"Bearer {cluster.environment['RAY_AUTH_TOKEN']}"}
    request = urllib.request.Request(f"{cluster.address}/api/serve/applications/", headers=token)
    with urllib.request.urlopen(request, timeout=30) as answer:
        deployments = json.load(answer)["applications"]["vitrine"]["deployments"].values()
    return {replica["replica_id"] for one in deployments for replica in one["replicas"]}
