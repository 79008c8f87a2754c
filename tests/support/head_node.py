"""The head node of a cluster of our own: `ray start --head`, on this machine alone."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from app.deployments.haproxy_config import BINARY_PATH, list_program_variables
from app.deployments.serve_environment import list_serve_variables, list_variables
from app.standalone.isolation import list_environment
from tests.support.ports import find_port
from tests.support.replicas import Replica, list_replicas
from tests.support.service import ROOT, START_S, Service, make_environment, start_process

BIN = Path(sys.executable).parent
END_S = 5.0


@dataclass(frozen=True)
class Head:
    """A head node that runs.

    Attributes:
        service: its processes.
        folder: private to it.
        environment: what it was started with; commands that are to reach it need its token.
        dashboard: its HTTP address.
    """

    service: Service
    folder: Path
    environment: dict[str, str]
    dashboard: str

    def deploy(self, config: dict[str, object]) -> None:
        """Have Serve deploy a config; it goes on when this returns."""
        path = self.folder / "serve.yaml"
        path.write_text(yaml.safe_dump(config))
        command = (BIN / "serve", "deploy", "--address", self.dashboard, path)
        subprocess.run(command, env=self.environment, cwd=ROOT, stdout=sys.stderr, check=True)

    def deploy_simulated(self, port: int, **args: object) -> None:
        """Have Serve deploy `simulated_app` behind HAProxy, with these settings.

        New replicas start beside the old ones, as in deploy/serve.yaml.
        """
        program = self.environment[BINARY_PATH]
        build = "tests.support.simulated_app:build"
        variables = list_serve_variables(20_000_000, program)
        surge = [{"name": name, "max_surge_percent": 100} for name in ("Ingress", "Classifier")]
        application = {"name": "vitrine", "import_path": build, "args": args, "deployments": surge}
        self.deploy(
            {
                "http_options": {"host": "127.0.0.1", "port": port},
                "controller_options": {"runtime_env": {"env_vars": variables}},
                "logging_config": {"enable_access_log": False},
                "applications": [application],
            }
        )

    def list_replicas(self) -> list[Replica]:
        """List the replicas of the application that run."""
        return list_replicas(self.dashboard, self.environment["RAY_AUTH_TOKEN"])

    def count_replicas(self) -> Counter[str]:
        """Count the replicas of the application that run, by deployment."""
        return Counter(one.deployment for one in self.list_replicas())


@contextlib.contextmanager
def start_head(cpus: int = 8, without: tuple[str, ...] = ()) -> Iterator[Head]:
    """Start a head node, kept to this machine as `vitrine serve` keeps its own, and end all of it.

    Args:
        cpus: how many it has.
        without: names of variables that it is to lack.
    """
    with tempfile.TemporaryDirectory(prefix="vt-") as parent:  # short: sockets lie in it
        folder, dashboard = Path(parent), find_port()
        environment = make_environment() | {"PYTHONPATH": str(ROOT)}
        environment |= list_environment("haproxy", folder) | list_variables("cluster")
        environment |= list_program_variables("127.0.0.1")
        environment = {name: environment[name] for name in environment if name not in without}
        flags = (
            f"--port={find_port()} --dashboard-port={dashboard} --node-ip-address=127.0.0.1 "
            f"--dashboard-agent-listen-port={find_port()} "  # jobs need it; another Ray has 52365
            f"--num-cpus={cpus} --temp-dir={folder / 'ray'} --object-store-memory={200 << 20}"
        )
        command = [str(BIN / "ray"), "start", "--head", "--block", *flags.split()]
        with start_process(folder, command, dashboard, environment) as service:
            _wait_for_start(service)
            yield Head(service, folder, environment, f"http://127.0.0.1:{dashboard}")
            service.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.process.wait(END_S)


def _wait_for_start(service: Service) -> None:
    """Wait until Ray says that it runs."""
    deadline = time.monotonic() + START_S
    while "Ray runtime started" not in (output := service.output.read_text()):
        assert service.process.poll() is None, output + service.read_log()
        assert time.monotonic() < deadline, output + service.read_log()
        time.sleep(0.1)
