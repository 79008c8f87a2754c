"""A rolling redeploy, as a cluster does it: `ray start --head`, then `serve deploy` twice."""

import asyncio
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from app.deployments.haproxy_config import list_program_variables
from app.standalone.isolation import list_environment
from bench.chaos.faults import act_under_load
from bench.chaos.floods import PICTURE, Row
from bench.kit.generator import stay_busy
from bench.kit.servers import ask, find_replicas, wait_until
from tests.support.ports import find_port
from tests.support.service import ROOT, Service, make_environment, start_process

BIN = Path(sys.executable).parent
END_S = 20.0


@dataclass(frozen=True)
class Cluster:
    """A head node of our own; `dashboard` is the address for `serve deploy`."""

    head: Service
    folder: Path
    environment: dict[str, str]
    dashboard: str

    def deploy(self, port: int, batch_size: int) -> None:
        """Deploy deploy/serve.yaml with two replicas of each kind."""
        config = yaml.safe_load((ROOT / "deploy" / "serve.yaml").read_text())
        config["http_options"] |= {"host": "127.0.0.1", "port": port}
        del config["applications"][0]["args"]["api_keys"]
        more = {"batch_size": batch_size, "ingress_replicas": 2, "classifier_replicas": 2}
        config["applications"][0]["args"] |= more
        path = self.folder / "serve.yaml"
        path.write_text(yaml.safe_dump(config))
        command = (BIN / "serve", "deploy", "--address", self.dashboard, path)
        subprocess.run(command, env=self.environment, cwd=ROOT, stdout=sys.stderr, check=True)


@contextlib.contextmanager
def start_head() -> Iterator[Cluster]:
    """Start a head node on this machine alone, as `vitrine serve` does, and end all of it."""
    with tempfile.TemporaryDirectory(prefix="vt-") as parent:  # short: sockets lie in it
        folder, dashboard = Path(parent), find_port()
        environment = make_environment() | {"PYTHONPATH": str(ROOT)}
        environment |= list_environment("haproxy", folder)
        environment |= list_program_variables("127.0.0.1")
        flags = (
            f"--port={find_port()} --dashboard-port={dashboard} --node-ip-address=127.0.0.1 "
            f"--num-cpus=8 --temp-dir={folder / 'ray'} --object-store-memory={200 << 20}"
        )
        command = [str(BIN / "ray"), "start", "--head", "--block", *flags.split()]
        with start_process(folder, command, dashboard, environment) as head:
            wait_until(lambda: "Ray runtime started" in head.output.read_text(), head, "Ray")
            yield Cluster(head, folder, environment, f"http://127.0.0.1:{dashboard}")
            head.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                head.process.wait(END_S)


def redeploy_under_load(seconds: float) -> Row:
    """Deploy the application anew with another batch size: every replica is replaced."""
    port = find_port()
    url = f"http://127.0.0.1:{port}"
    with start_head() as cluster:
        cluster.deploy(port, 32)
        wait_until(lambda: ask(f"{url}/predict", PICTURE), cluster.head, url)
        before = find_replicas(cluster.head)
        load = stay_busy(url, PICTURE, 8, seconds)
        tally, _ = act_under_load(load, lambda: asyncio.to_thread(cluster.deploy, port, 16))
        after = find_replicas(cluster.head)
    kept = len(before & after)
    return {
        "target": "0 failed",
        "served": tally.good,
        "failed": tally.failed,
        "longest_ms": tally.find_ms(100),
        "replicas_before": len(before),
        "replicas_not_replaced": kept,
        "reached": not tally.failed and not kept and len(after) == len(before),
    }
