"""The real thing: `vitrine serve` as a process of its own, started, watched and stopped."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil

from tests.support.plain_http import get
from tests.support.ports import find_port

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "app" / "demo" / "samples"
SEVEN = SAMPLES / "7-0.png"

ANN = "ann-knows-this-key"
BOB = "bob-knows-another-one"
"""Keys of the service that has keys."""

EVERYWHERE = "0.0.0.0"  # noqa: S104
ORIGIN = "https://app.example"
"""Where that service listens, and whose pages may call it."""

START_S = 240
STOP_S = 10.0
"""Seconds from the signal until the service must be gone."""

_MARK = "TEST_SERVICE"
"""Ray's agents write their titles over their environment; SPT_NOENV tells setproctitle not to."""


@dataclass(frozen=True)
class Service:
    """A service that runs.

    Attributes:
        process: `vitrine serve`; it leads a process group of its own.
        port: where it listens.
        log: what it wrote to standard error.
        output: what it wrote to standard output.
        mark: value of an environment variable that all its descendants inherit.
        grpc_port: where it listens for gRPC; 0 where it does not.
        metrics_port: where it answers metrics alone; 0 where it does not.
    """

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    output: Path
    mark: str
    grpc_port: int = 0
    metrics_port: int = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def read_log(self) -> str:
        """Read what it has written to standard error up to now."""
        return self.log.read_text()

    def wait_for_log(self, text: str, timeout_s: float = 20) -> str:
        """Wait until `text` is in the log, and read all of it."""
        deadline = time.monotonic() + timeout_s
        while text not in self.read_log():
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.read_log()}"
            time.sleep(0.05)
        return self.read_log()

    def is_ready(self) -> bool:
        """Ask whether it may have traffic."""
        with suppress(httpx.TransportError):
            return get(f"{self.url}/readyz", timeout=20).status_code == 200
        return False

    def wait_until_ready(self) -> None:
        """Wait until it may have traffic."""
        deadline = time.monotonic() + START_S
        while not self.is_ready():
            assert self.process.poll() is None, f"it ended:\n{self.read_log()}"
            assert time.monotonic() < deadline, f"not ready in {START_S} s:\n{self.read_log()}"
            time.sleep(0.1)

    def list_processes(self) -> list[psutil.Process]:
        """List it and all processes that came of it, wherever they hang in the tree.

        They carry its mark or belong to its session; one that has ended is not listed.
        """
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, ProcessLookupError):
                is_marked = process.environ().get(_MARK) == self.mark
                if is_marked or os.getsid(process.pid) == self.process.pid:
                    found.append(process)
        return found

    def find_folders(self) -> set[Path]:
        """Find the private folder that its processes have in their command lines, once Ray runs."""
        found = set()
        for process in self.list_processes():
            with suppress(psutil.Error):
                command = " ".join(process.cmdline())
                found |= set(re.findall(r"(/[^\s=]*/vitrine-\w{8})/ray\b", command))
        return {Path(one) for one in found}

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Stop it by a signal to its process; gives the seconds that it took.

        SIGINT goes to the whole process group, as a terminal sends Ctrl-C.
        """
        started = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(timeout=25)
        return time.monotonic() - started

    def assert_stops(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it; it must take <= STOP_S, exit with 0, and leave no process and no folder."""
        folders = self.find_folders()
        took_s = self.stop(number)
        left = [(one.pid, one.name()) for one in self.list_processes()]
        assert left == [], self.read_log()
        assert [folder for folder in folders if folder.exists()] == []
        assert took_s <= STOP_S, self.read_log()
        assert self.process.returncode == 0, self.read_log()

    def assert_ended(self) -> None:
        """Nothing that came of it is left, or only for a moment."""
        _, left = psutil.wait_procs(self.list_processes(), timeout=5)
        assert left == [], self.read_log()

    def end(self) -> None:
        """End, by process id, whatever is left of it, and what that starts meanwhile."""
        deadline = time.monotonic() + STOP_S
        while left := self.list_processes():
            assert time.monotonic() < deadline, f"these do not end: {left}"
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.02)
        self.process.wait(timeout=10)


@contextmanager
def start_service(folder: Path, **settings: str) -> Iterator[Service]:
    """Start `vitrine serve`, with settings by name, and do not wait for it.

    Args:
        folder: where its output goes.
        **settings: such as `proxy="python"`.
    """
    port = settings.setdefault("port", str(find_port()))
    command = [sys.executable, "-m", "app.cli.main", "serve"]
    with start_process(folder, command, int(port), make_environment(**settings)) as service:
        grpc_port, metrics_port = (
            int(settings.get(name, 0)) for name in ("grpc_port", "metrics_port")
        )
        yield replace(service, grpc_port=grpc_port, metrics_port=metrics_port)


@contextmanager
def start_process(
    folder: Path, command: list[str], port: int, environment: dict[str, str]
) -> Iterator[Service]:
    """Start a command that serves on `port`; whatever it leaves is ended at last.

    `folder` is its home, and what Ray keeps of its session is deleted at the end.
    """
    mark = uuid.uuid4().hex
    log, output = folder / "stderr", folder / "stdout"
    with (
        log.open("wb") as stderr,
        output.open("wb") as stdout,
        tempfile.TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as temporary,
    ):  # a short name: Ray makes sockets below it, whose paths have at most 107 bytes
        own = {"HOME": str(folder), "RAY_TMPDIR": temporary, _MARK: mark, "SPT_NOENV": "1"}
        with default_sigint():
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment | own,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        service = Service(process, port, log, output, mark)
        try:
            yield service
        finally:
            service.end()


@contextmanager
def default_sigint() -> Iterator[None]:
    """Let a program that is started here end by SIGINT, as a shell's background job ignores it.

    A child inherits an ignored signal; one that is handled gets its default again.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_cli(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a `vitrine` command to its end, with settings by name."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", *arguments],
        cwd=ROOT,
        env=make_environment(**settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def make_environment(**settings: str) -> dict[str, str]:
    """Make an environment with these settings alone, whatever is set where the tests run.

    Only the cache of converted models is shared, unless it is one of them.
    """
    if cache := os.environ.get("VITRINE_CACHE"):
        settings.setdefault("cache", cache)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VITRINE_")}
    return kept | {f"VITRINE_{name.upper()}": value for name, value in settings.items()}
