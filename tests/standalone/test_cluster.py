"""The start of a Ray of our own and a reload, where a real one cannot show it."""

import asyncio
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import ray
from ray import serve
from ray.exceptions import RayError

import app.deployments.application  # noqa: F401 - else a thread does, beside the tests that follow
from app.deployments.reload import ReloadOutcome
from app.errors import ModelUnavailableError, StartupError
from app.settings import Settings
from app.standalone.cluster import reload_checkpoint, start_ray, start_serve
from app.standalone.signals import Interrupt

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    """No signal has come; the handlers are put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Interrupt(60, sys.exit)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_a_ray_that_does_not_start_is_tried_once_more(
    monkeypatch: pytest.MonkeyPatch, interrupt: Interrupt
) -> None:
    """What the first try has left is ended, what ran before is not, and the second counts."""
    started = [subprocess.Popen(SLEEP)]

    def init(**_options: object) -> None:
        started.append(subprocess.Popen(SLEEP))
        if len(started) == 2:
            raise Exception("The current node timed out during startup.")  # noqa: TRY002 - Ray's

    monkeypatch.setattr(ray, "init", init)
    try:
        start_ray(Settings(), interrupt)
        assert [process.poll() is None for process in started] == [True, False, True]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_ray_that_never_starts_is_told(
    monkeypatch: pytest.MonkeyPatch, interrupt: Interrupt
) -> None:
    """A second failure is not hidden."""

    def init(**_options: object) -> None:
        raise ConnectionError("no Ray today")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(StartupError, match="no Ray today"):
        start_ray(Settings(), interrupt)


class Call:
    """A handle on an ingress whose `reload` gives what it is told, on one event loop alone."""

    def __init__(self, *told: list[ReloadOutcome] | Exception) -> None:
        self.reload = self
        self._told = iter(told)
        self._loops: set[asyncio.AbstractEventLoop] = set()

    async def remote(self) -> list[ReloadOutcome]:
        """Answer the next call."""
        self._loops.add(asyncio.get_running_loop())
        assert len(self._loops) == 1
        told = next(self._told)
        if isinstance(told, Exception):
            raise told
        return told


ABSENT = "1 did not run and may serve the old files: reload again"


def test_a_reload_is_logged_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """How many loaded what, which did not and why, or was not asked; the service goes on."""
    outcomes = [ReloadOutcome("a", "new", None), ReloadOutcome("b", "old", "no weights")]
    gone = [ReloadOutcome(None, None, "The replica is gone.")]
    call = Call(outcomes, gone, ModelUnavailableError("None runs."), RayError())
    monkeypatch.setattr(serve, "get_app_handle", lambda _name: call)
    caplog.set_level(logging.INFO)
    for _ in range(4):
        reload_checkpoint(2)
    assert caplog.messages == [
        "1 of 2 classifiers loaded new; classifier b did not load it: no weights",
        f"classifier (no id) did not load it: The replica is gone.; {ABSENT}",
        "the reload failed: None runs.",
        "the reload failed: RayError",
    ]


def test_a_serve_that_does_not_start_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the proxy fails later, while the model is loaded already."""
    is_listed = threading.Event()

    def start(**_options: object) -> None:
        is_listed.wait(10)
        raise RuntimeError("the port is taken")

    status = SimpleNamespace(proxies={})
    monkeypatch.setattr(serve, "start", start)
    monkeypatch.setattr(serve, "status", lambda: status)
    is_listed.set()
    with pytest.raises(StartupError, match="lines above"):
        start_serve(Settings(), "python")
    is_listed.clear()
    status.proxies = {"node": "STARTING"}
    start_serve(Settings(), "python")
    assert len(caplog.records) == 1
    is_listed.set()
    while len(caplog.records) < 2:
        time.sleep(0.01)
    assert {record.getMessage() for record in caplog.records} == {
        "Serve did not start: the port is taken"
    }
