"""Ray nodes with addresses of their own, on one machine: each in a network namespace (root, Linux).

A bridge joins them, with this process outside: what it sends comes to a node as from a client.
"""

import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.deployments.serve_environment import list_node_variables, list_variables
from tests.support.bridge import make_bridge, make_namespaces, run_ip
from tests.support.replicas import Replica, list_replicas
from tests.support.service import ROOT, make_environment

BIN = Path(sys.executable).parent
GCS_PORT, DASHBOARD_PORT, HTTP_PORT = 6399, 8265, 8000
START_S = 60.0

_MARK = "TEST_NODE"


@dataclass
class Node:
    """One node.

    Attributes:
        name: of its namespace.
        address: where others reach it.
        folder: of its output.
        code: its copy of our packages.
        environment: that its processes get.
        process: the one that started Ray.
        lost: when it was killed or cut off, by the monotonic clock.
    """

    name: str
    address: str
    folder: Path
    code: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = field(default=None)
    lost: float = math.inf

    @property
    def url(self) -> str:
        """Where its proxy answers."""
        return f"http://{self.address}:{HTTP_PORT}"

    @property
    def log(self) -> Path:
        """What it writes."""
        return self.folder / f"{self.name}.log"

    def start(self, *flags: str) -> None:
        """Start Ray, and wait until it runs."""
        command = [str(BIN / "ray"), "start", "--block", "--node-ip-address", self.address, *flags]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, *command],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while "Ray runtime started" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def run(self, *command: str) -> str:
        """Run a command of the virtual environment on this node; gives what it prints."""
        done = self.try_to_run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def try_to_run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail."""
        program = [str(BIN / command[0]), *command[1:]]
        return subprocess.run(
            ["ip", "netns", "exec", self.name, *program],
            env=self.environment,
            cwd=self.code,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def list_processes(self) -> list[psutil.Process]:
        """List the processes of its namespace."""
        told = subprocess.run(
            ["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False
        )
        return [
            psutil.Process(int(pid)) for pid in told.stdout.split() if psutil.pid_exists(int(pid))
        ]

    def kill(self) -> None:
        """Kill all of its processes at once."""
        self.lost = time.monotonic()
        for process in self.list_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def cut(self) -> None:
        """Take it off the network."""
        self.lost = time.monotonic()
        run_ip("link", "set", f"{self.name}h", "down")

    def join(self) -> None:
        """Put it back on the network."""
        run_ip("link", "set", f"{self.name}h", "up")


@dataclass
class Cluster:
    """A head and other nodes.

    Attributes:
        head: the first node, where Serve is told what to deploy.
        workers: the others.
        folder: for files that all of them read.
        flags: with which each starts Ray.
    """

    head: Node
    workers: list[Node]
    folder: Path
    flags: Sequence[str]

    @property
    def nodes(self) -> list[Node]:
        """All nodes."""
        return [self.head, *self.workers]

    @property
    def dashboard(self) -> str:
        """Where `vitrine deploy` sends its file."""
        return f"http://{self.head.address}:{DASHBOARD_PORT}"

    def list_replicas(self) -> list[Replica]:
        """List the replicas of the application that run."""
        return list_replicas(self.dashboard, self.head.environment["RAY_AUTH_TOKEN"])

    def start_worker(self, worker: Node) -> None:
        """Start a node, which joins the head's."""
        worker.start("--address", f"{self.head.address}:{GCS_PORT}", *self.flags)


@contextlib.contextmanager
def make_cluster(count: int, cpus: int = 4) -> Iterator[Cluster]:
    """Make a cluster of so many nodes, each of which tells Ray that it has so many CPUs."""
    key = uuid.uuid4().hex[:4]
    folder = Path(tempfile.mkdtemp(prefix="vt-"))  # a short name: sockets lie below it
    environment = make_environment() | list_node_variables()
    environment |= list_variables("secret", token=uuid.uuid4().hex * 2)
    environment |= {"HOME": str(folder), _MARK: key, "SPT_NOENV": "1"}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        bridge = stack.enter_context(make_bridge())
        addresses = {
            f"vt{key}{number}": f"{bridge.subnet}.{10 + number}" for number in range(count)
        }
        nodes = [_make_node(*one, folder, environment) for one in addresses.items()]
        stack.enter_context(make_namespaces(bridge, addresses))
        stack.callback(_end, key, nodes)
        flags = ["--num-cpus", str(cpus), "--object-store-memory", str(200 << 20)]
        cluster = Cluster(nodes[0], nodes[1:], folder, flags)
        place = ["--port", str(GCS_PORT), "--dashboard-host", cluster.head.address]
        cluster.head.start("--head", *place, "--temp-dir", str(folder / "ray"), *flags)
        for worker in cluster.workers:
            cluster.start_worker(worker)
        yield cluster


def _make_node(name: str, address: str, folder: Path, environment: dict[str, str]) -> Node:
    """Make a node with a copy of our packages; that of the tests is the one that is here."""
    code = folder / name
    for package in ("app", "schemas"):
        shutil.copytree(ROOT / package, code / package)
    path = os.pathsep.join((str(code), str(ROOT)))
    # All have the name of this machine, by which torch would look for the address of each.
    own = {"PYTHONPATH": path, "GLOO_SOCKET_IFNAME": f"{name}n"}
    return Node(name, address, folder, code, environment | own)


def _end(key: str, nodes: list[Node]) -> None:
    """End, by process id, all that came of a cluster."""
    for _ in range(100):
        found = [process for process in psutil.process_iter() if _is_of(process, key)]
        if not found:
            for node in nodes:
                if node.process is not None:
                    node.process.wait()
            return
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.05)
    raise AssertionError(f"these do not end: {found}")


def _is_of(process: psutil.Process, key: str) -> bool:
    """Tell whether a process came of the cluster of this key."""
    try:
        return process.environ().get(_MARK) == key and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ProcessLookupError):
        return False
