"""The start of a Ray of our own, where a real one cannot show it."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import ray

from app.errors import StartupError
from app.settings import Settings
from app.standalone.cluster import start_ray
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
