"""Windows, schedules, and open loops that leave nothing behind."""

import asyncio
import time
from itertools import pairwise

import pytest

from app.client.generator import count_until, draw_schedule, run_open


def test_a_window_waits_for_enough_requests_but_not_forever() -> None:
    """It lasts for its seconds, longer where fewer have begun, and no longer than the maximum."""

    def count(*window: float) -> tuple[int, float]:
        started, begun = time.perf_counter(), 0
        for _ in count_until(window[0], int(window[1]), window[2]):
            begun += 1
            time.sleep(0.02)
        return begun, time.perf_counter() - started

    assert count(0.1, 10, 9)[0] == 10
    begun, took_s = count(0.2, 0, 9)
    assert 0.2 <= took_s < 2
    assert begun <= 11
    assert count(0.1, 1000, 0.2)[0] <= 11


def test_a_schedule_is_poisson_and_the_same_for_all() -> None:
    """Arrivals come in order, at the rate asked for, within the time, and alike each time."""
    due = draw_schedule(rate=200, seconds=50)
    assert due == draw_schedule(rate=200, seconds=50)
    assert due != draw_schedule(rate=200, seconds=50, seed=4)
    assert due == sorted(due)
    assert due[0] > 0
    assert due[-1] < 50
    assert len(due) == pytest.approx(200 * 50, rel=0.05)
    gaps = [after - before for before, after in pairwise(due)]
    assert sum(gap < 1 / 200 for gap in gaps) / len(gaps) == pytest.approx(0.632, abs=0.03)


def test_an_open_loop_without_requests_ends() -> None:
    """As a rate of one in an hour has none within a second."""
    assert asyncio.run(run_open(asyncio.sleep, [])) == 0


def test_a_failure_of_what_sends_is_told() -> None:
    """An error of ours is no answer, and does not vanish in a task."""

    async def fail(_: float) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(run_open(fail, [0.0, 0.01]))


def test_a_request_that_ends_as_it_is_given_up_is_counted_once() -> None:
    """It has told what came of it, so it is not unanswered, too."""
    told: list[float] = []

    async def send(due: float) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if told:
                raise
            told.append(due)

    assert asyncio.run(run_open(send, [0.0, 0.0, 0.0], patience_s=0.1)) == 2
    assert len(told) == 1


def test_requests_end_with_their_open_loop() -> None:
    """When that is cancelled none of them goes on."""
    ended: list[float] = []

    async def send(due: float) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(due)

    async def run() -> None:
        loop = asyncio.create_task(run_open(send, [0.0, 0.01, 0.02]))
        await asyncio.sleep(0.2)
        loop.cancel()
        await asyncio.wait([loop])
        await asyncio.sleep(0)

    asyncio.run(run())
    assert len(ended) == 3
