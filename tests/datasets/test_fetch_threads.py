"""Threads that fetch: as many at once as may be, and never for ever."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from app.datasets import fetch_threads
from app.datasets.fetch_queue import Fetch, Fetched
from app.datasets.fetch_threads import FETCHERS, MAX_HUNG_ROWS, FetchThreads
from app.datasets.sample import Sample
from app.errors import DatasetError, DeadlineExceededError, InternalError, InvalidRequestError
from tests.support.service import ROOT

Outcome = bytes | BaseException
"""Of a sample: its bytes, or why there are none."""

ROWS = [Sample(f"t#{row}", "t", row) for row in range(3 * FETCHERS)]
"""Of one table."""


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


def fetch_samples(
    fetch: Fetch, samples: Sequence[Sample], timeout_s: float
) -> list[Fetched | BaseException]:
    """Fetch samples at once."""

    async def scenario() -> list[Fetched | BaseException]:
        with closing(FetchThreads(fetch, timeout_s)) as threads:
            calls = (threads.fetch(one) for one in samples)
            return await asyncio.gather(*calls, return_exceptions=True)

    return asyncio.run(scenario())


def fetch_all(fetch: Fetch, count: int, timeout_s: float = 20.0) -> list[Outcome]:
    """Fetch samples that are named by their place."""
    samples = [Sample(str(place), "") for place in range(count)]
    found = fetch_samples(fetch, samples, timeout_s)
    return [one if isinstance(one, BaseException) else one.data for one in found]


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
def test_a_row_that_takes_long_costs_the_others_nothing() -> None:
    """A table is read by one after the other; the wait for that is not the row's own time."""
    table = threading.Lock()

    def fetch(sample: Sample) -> bytes:
        with table:
            time.sleep(0.5 if sample.row == 0 else 0.001)
        return b"%d" % sample.row

    first, second, *others = fetch_samples(fetch, ROWS, timeout_s=0.4)
    assert isinstance(first, DeadlineExceededError)
    assert isinstance(second, Fetched)
    assert [one.data for one in others if isinstance(one, Fetched)] == [
        b"%d" % sample.row for sample in ROWS[2:]
    ]
    assert all(one.seconds < 0.1 for one in others if isinstance(one, Fetched))


@pytest.mark.usefixtures("go_on")
def test_rows_are_fetched_in_their_order_and_files_meanwhile() -> None:
    """A row far back would cost a walk through its row group."""
    rows, file_is_read = list[int](), threading.Event()

    def fetch(sample: Sample) -> bytes:
        if sample.row < 0:
            file_is_read.set()
        else:
            assert file_is_read.wait(10)
            rows.append(sample.row)
        return b""

    fetch_samples(fetch, [*ROWS, Sample("a", "a")], timeout_s=20)
    assert rows == [sample.row for sample in ROWS]


def test_a_table_that_hangs_is_given_up(go_on: threading.Event) -> None:
    """Its rows hang one by one, so it is sooner than for files; those that wait are not tried."""

    def hang(_: Sample) -> bytes:
        go_on.wait(60)
        return b""

    started, before = time.monotonic(), MAX_HUNG_ROWS - 1
    found = fetch_samples(hang, ROWS, timeout_s=0.05)
    assert time.monotonic() - started < 0.05 * MAX_HUNG_ROWS + 1
    assert [type(one) for one in found[:before]] == [DeadlineExceededError] * before
    assert [type(one) for one in found[before:]] == [DatasetError] * (len(ROWS) - before)


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
