"""The benchmark's own load: windows, schedules, and latencies that do not look away."""

import asyncio
from itertools import pairwise

import pytest
import uvloop

from bench.kit.closedloop import Window, count
from bench.kit.images import Picture
from bench.kit.openloop import OpenResult, Pace, draw_schedule, keep_pace
from bench.kit.servers import BenchError
from bench.kit.wrk import Load
from tests.bench.kit.stall import serve_stall

PICTURE = Picture("dot", b"not read", "image/png")
STALL_S = 0.5


@pytest.mark.parametrize(
    ("elapsed", "begun", "is_over"),
    [(3.9, 500, False), (4.0, 29, False), (4.0, 30, True), (14.9, 3, False), (15.0, 3, True)],
)
def test_a_window_waits_for_enough_requests_but_not_forever(
    elapsed: float, begun: int, *, is_over: bool
) -> None:
    """Four seconds, longer where fewer than thirty requests have begun, and 15 s at most."""
    assert Window(4).is_over(elapsed, begun) == is_over


def test_a_schedule_is_poisson_and_the_same_for_all() -> None:
    """Arrivals come in order, at the rate asked for, within the time, and alike each time."""
    due = draw_schedule(rate=200, seconds=50)
    assert due == draw_schedule(rate=200, seconds=50)
    assert due == sorted(due)
    assert due[0] > 0
    assert due[-1] < 50
    assert len(due) == pytest.approx(200 * 50, rel=0.05)
    gaps = [after - before for before, after in pairwise(due)]
    assert sum(gap < 1 / 200 for gap in gaps) / len(gaps) == pytest.approx(0.632, abs=0.03)


def test_a_stall_shows_in_the_open_loop() -> None:
    """Requests that fell due during a stall are late by it, though only one caused it."""

    async def run() -> tuple[OpenResult, int]:
        async with serve_stall(20, STALL_S) as (url, stall):
            result = await keep_pace(url, Pace(PICTURE, 0.5, rate=100.0, seconds=1.5))
            return result, stall.answered

    result, answered = uvloop.run(run())
    assert answered == len(draw_schedule(100.0, 1.5))
    assert result.errors == 0
    assert result.p99_ms > 0.8 * STALL_S * 1000
    assert result.p50_ms < result.p99_ms


def test_a_closed_loop_counts_to_the_last_answer() -> None:
    """Every request that began is answered and counted, also those that outlast the window."""

    async def run() -> tuple[float, int, int]:
        async with serve_stall(3, STALL_S) as (url, stall):
            window = Window(0.1, wanted=1)
            result = await count(url, Load(PICTURE, 2, 1), window)
            return result.requests_per_s, result.errors, stall.answered

    rate, errors, answered = asyncio.run(run())
    assert errors == 0
    assert 0 < rate <= answered / STALL_S


def test_a_server_that_is_gone_is_no_result() -> None:
    """Requests that find no server end the benchmark with a sentence, in both loops."""

    async def run() -> None:
        async with serve_stall(0, 0) as (url, _):
            pass
        with pytest.raises(BenchError, match=r"no good answer among .* open loop"):
            await keep_pace(url, Pace(PICTURE, 0.5, rate=20.0, seconds=0.5))
        with pytest.raises(BenchError, match=r"no good answer among .* closed loop"):
            await count(url, Load(PICTURE, 1, 1), Window(0.1, wanted=1))

    uvloop.run(run())
