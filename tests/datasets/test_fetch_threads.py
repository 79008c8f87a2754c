"""Threads that fetch: as many at once as may be, and never for ever."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from app.datasets import fetch_threads
from app.datasets.fetch_threads import FETCHERS, Fetch, FetchThreads
from app.datasets.sample import Sample
from app.errors import DatasetError, DeadlineExceededError, InternalError, InvalidRequestError
from tests.support.service import ROOT

Outcome = bytes | BaseException
"""Of a sample: its bytes, or why there are none."""


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """What fetches wait for that hang, until the test has ended."""
    event = threading.Event()
    yield event
    event.set()
    until = time.monotonic() + 10
    while any(one.name == "fetch" for one in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


def fetch_all(fetch: Fetch, count: int, timeout_s: float = 20.0) -> list[Outcome]:
    """Fetch samples that are named by their place."""

    async def scenario() -> list[Outcome]:
        with closing(FetchThreads(fetch, timeout_s)) as threads:
            calls = (threads.fetch(Sample(str(place), "")) for place in range(count))
            found = await asyncio.gather(*calls, return_exceptions=True)
        return [one if isinstance(one, BaseException) else one.data for one in found]

    return asyncio.run(scenario())


@pytest.mark.usefixtures("go_on")
def test_samples_are_fetched_at_once_by_threads_that_are_used_again() -> None:
    """FETCHERS of them, however many samples there are; each gets its own bytes."""
    threads = set[int]()
    all_run = threading.Barrier(FETCHERS)

    def fetch(sample: Sample) -> bytes:
        if int(sample.path) < FETCHERS:
            all_run.wait(10)
        threads.add(threading.get_ident())
        return sample.path.encode()

    assert fetch_all(fetch, 500) == [str(place).encode() for place in range(500)]
    assert len(threads) == FETCHERS


def test_a_fetch_that_hangs_is_left_behind(go_on: threading.Event) -> None:
    """Others take its place, even if those that hang are as many as the threads."""

    def fetch(sample: Sample) -> bytes:
        if int(sample.path) < FETCHERS:
            go_on.wait(60)
        return b"read"

    found = fetch_all(fetch, 2 * FETCHERS, timeout_s=0.3)
    assert found[FETCHERS:] == [b"read"] * FETCHERS
    assert all(isinstance(one, DeadlineExceededError) for one in found[:FETCHERS])
    assert str(found[0]) == "0 cannot be read: it took longer than 0.3 s."


def test_a_storage_that_hangs_is_given_up(
    go_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hangs takes memory, so a job over a million files ends; it can go on later."""
    monkeypatch.setattr(fetch_threads, "MAX_HUNG", 3)

    def hang(_: Sample) -> bytes:
        go_on.wait(60)
        return b""

    found = fetch_all(hang, 4, timeout_s=0.1)
    kinds = [DeadlineExceededError, DeadlineExceededError, DatasetError, DatasetError]
    assert [type(one) for one in found] == kinds
    assert str(found[2]).endswith("it took longer than 0.1 s, as 2 others that hang still.")


@pytest.mark.usefixtures("go_on")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_each_sample_has_its_own_failure() -> None:
    """A problem, what ends a job, and an error that nobody has foreseen; the others are fetched."""
    failures = [InvalidRequestError("gone"), DatasetError("corrupt"), MemoryError(), KeyError("a")]

    def fetch(sample: Sample) -> bytes:
        if int(sample.path) < len(failures):
            raise failures[int(sample.path)]
        return b"read"

    found = fetch_all(fetch, 100)
    assert found[:3] == failures[:3]
    assert isinstance(found[3], InternalError)
    assert found[4:] == [b"read"] * 96


def test_a_process_ends_while_a_fetch_hangs() -> None:
    """Python waits at its exit for threads that are no daemons."""
    code = (
        "import asyncio, time\n"
        "from app.datasets.fetch_threads import FetchThreads\n"
        "from app.datasets.sample import Sample\n"
        "from app.errors import DeadlineExceededError\n"
        "async def fetch():\n"
        "    threads = FetchThreads(lambda _: time.sleep(120), 0.1)\n"
        "    try:\n"
        "        await threads.fetch(Sample('a', 'a'))\n"
        "    except DeadlineExceededError:\n"
        "        threads.close()\n"
        "        print('closed')\n"
        "asyncio.run(fetch())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"closed\n"
