"""A server of a benchmark: started, asked, and stopped with all its processes."""

import contextlib
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from app.client.pool import ANSWER_LIMIT_S
from bench.kit.images import FORM, Picture
from bench.kit.results import BenchError
from tests.support.ports import find_port
from tests.support.service import Service, make_environment, start_process

START_LIMIT_S, POLL_S = 120.0, 0.1
LOG_TAIL = 20

MB = 1 << 20
Scores = dict[str, float]
"""The labels that a server names first, with their scores."""


@dataclass(frozen=True)
class Server:
    """How to start one server, where it answers, and the signal that ends it within the limit.

    The scores of an exact one must be those of the others; settings may change them.
    """

    name: str
    command: tuple[str, ...]
    port: int
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 30.0
    is_exact: bool = True

    @property
    def url(self) -> str:
        """Return the address of the server, without a path."""
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Running:
    """A server that has answered; the last two fields are known once it has been stopped."""

    server: Server
    service: Service
    health_s: float = 0.0
    first_answer_s: float = 0.0
    stop_s: float = 0.0
    left: int = 0


def make_vitrine(folder: Path, settings: Mapping[str, str] | None = None) -> Server:
    """Return Vitrine with its default settings and those given, which are part of its name."""
    port, changes = find_port(), dict(settings or {})
    env = {"VITRINE_HOST": "127.0.0.1", "VITRINE_PORT": str(port), "VITRINE_MODEL": str(folder)}
    command = (sys.executable, "-m", "app.cli.main", "serve")
    name = " ".join(["vitrine", *(Path(value).name for value in changes.values())])
    return Server(name, command, port, env | changes, is_exact=not changes)


def ask(url: str, picture: Picture | None = None) -> bytes | None:
    """Return the body of a 200, or None; a picture is sent as a multipart form."""
    method, body, headers = "GET", None, {}
    if picture:
        method, body, headers = "POST", picture.body(), {"Content-Type": FORM}
    with contextlib.suppress(httpx.HTTPError), httpx.Client(trust_env=False) as client:
        answer = client.request(method, url, content=body, headers=headers, timeout=ANSWER_LIMIT_S)
        return answer.content if answer.status_code == httpx.codes.OK else None
    return None


def classify(server: Server, picture: Picture) -> Scores:
    """Return the labels that the server names first for the picture, and their scores."""
    body = ask(f"{server.url}/predict", picture)
    if body is None:
        raise BenchError(f"{server.name} does not answer the {picture.name}")
    return {str(best["label"]): float(best["score"]) for best in json.loads(body)["predictions"]}


@contextlib.contextmanager
def run_server(server: Server, picture: Picture) -> Iterator[Running]:
    """Start the server, hand it out once it has classified the picture, and stop it."""
    env, started = make_environment() | dict(server.env), time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder,
        start_process(Path(folder), list(server.command), server.port, env) as service,
    ):
        running = Running(server, service)
        try:
            wait_until(lambda: ask(f"{server.url}/health"), service, f"{server.url}/health")
            running.health_s = time.monotonic() - started
            predict = f"{server.url}/predict"
            wait_until(lambda: ask(predict, picture), service, predict)
            running.first_answer_s = time.monotonic() - started
            yield running
        finally:
            running.stop_s, running.left = stop(running)


def wait_until(is_done: Callable[[], object], service: Service, what: str) -> None:
    """Return when it is done; a process that ends or takes too long is an error with its log."""
    limit = time.monotonic() + START_LIMIT_S
    while not is_done():
        status = service.process.poll()
        if status is not None or time.monotonic() > limit:
            log = service.read_log() + service.output.read_text()
            tail = "\n".join(log.splitlines()[-LOG_TAIL:])
            raise BenchError(f"{what} did not answer in time (exit status {status}):\n{tail}")
        time.sleep(POLL_S)


def stop(running: Running) -> tuple[float, int]:
    """End the server; return the seconds it took and how many processes outlived the limit."""
    server, service, started = running.server, running.service, time.monotonic()
    service.process.send_signal(server.stop_signal)
    limit = started + server.stop_limit_s
    while (left := len(service.list_processes())) and time.monotonic() < limit:
        service.process.poll()
        time.sleep(POLL_S)
    return time.monotonic() - started, left


def read_title(process: psutil.Process) -> str:
    """Return a short title without paths: ``ray::...``, ``python -m app.cli.main`` or a program."""
    words = process.cmdline() or [process.name()]
    if words[0].startswith("ray::"):
        return " ".join(words).strip()
    script = next((Path(word).name for word in words[1:] if word.endswith(".py")), "")
    module = f"-m {words[words.index('-m') + 1]}" if "-m" in words[:-1] else ""
    return " ".join(filter(None, (Path(words[0]).name, script, module)))


def read_cpu_s(service: Service) -> float:
    """Return the CPU seconds of all processes of a server, with children that have ended."""
    seconds = 0.0
    for process in service.list_processes():
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def measure_memory(service: Service) -> list[dict[str, str | float]]:
    """Return the memory of every process of a server, the largest first; only pss adds up."""
    found: list[tuple[float, float, str]] = []
    for process in service.list_processes():
        with contextlib.suppress(psutil.Error):
            memory = process.memory_full_info()
            rss, pss = round(memory.rss / MB, 1), round(memory.pss / MB, 1)
            found.append((rss, pss, read_title(process)))
    return [
        {"title": title, "rss_mb": rss, "pss_mb": pss} for rss, pss, title in sorted(found)[::-1]
    ]


def find_replicas(service: Service, deployment: str = "") -> set[int]:
    """Return the ids of the processes of a deployment's replicas, or of all replicas."""
    title, found = f"ServeReplica:vitrine:{deployment}", set()
    for process in service.list_processes():
        with contextlib.suppress(psutil.Error):
            if title in read_title(process):
                found.add(process.pid)
    return found
