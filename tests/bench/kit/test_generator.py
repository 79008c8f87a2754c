"""Loads of a benchmark: latencies that hide no stall."""

import asyncio
import subprocess
import time
from pathlib import Path

import pytest
import uvloop

from app.client.generator import count_until, draw_schedule
from app.client.pool import CUT_OFF, UNANSWERED
from bench.compare.loads import drive_counted, drive_open
from bench.kit.client import Tally, make_target
from bench.kit.generator import disconnect, keep_busy, offer
from bench.kit.images import Picture
from bench.kit.results import BenchError
from bench.kit.servers import Running, Server
from tests.bench.kit.stall import serve_stall
from tests.support.ports import find_port
from tests.support.service import Service

PICTURE = Picture("dot", b"not read", "image/png")
STALL_S = 0.5


def test_a_stall_shows_in_the_open_loop() -> None:
    """Requests that fell due during a stall are late by it, though only one caused it."""

    async def run() -> tuple[Tally, int]:
        async with serve_stall(20, STALL_S) as (url, stall):
            return await offer(make_target(url, PICTURE), 100.0, 1.5, 64), stall.answered

    tally, answered = uvloop.run(run())
    assert answered == tally.good == len(draw_schedule(100.0, 1.5))
    assert tally.failed == {}
    assert (tally.find_ms(99) or 0) > 0.8 * STALL_S * 1000
    assert (tally.find_ms(50) or 0) < (tally.find_ms(99) or 0)


def test_patience_ends_an_open_loop() -> None:
    """What has no answer by then is counted, and what comes after the end is late."""

    async def run(patience_s: float) -> Tally:
        async with serve_stall(1, STALL_S) as (url, _):
            target = make_target(url, PICTURE)
            return await offer(target, 50.0, 0.2, 64, patience_s=patience_s)

    tally = asyncio.run(run(0.01))
    assert tally.statuses[UNANSWERED] == sum(tally.statuses.values()) > 0
    tally = asyncio.run(run(9.0))
    assert tally.late == tally.good > 0


def test_a_closed_loop_counts_to_the_last_answer() -> None:
    """Every request that began is answered and counted, also those that outlast the window."""

    async def run() -> tuple[Tally, int]:
        async with serve_stall(3, STALL_S) as (url, stall):
            tally = await keep_busy(make_target(url, PICTURE), 2, count_until(0.1))
            return tally, stall.answered

    tally, answered = asyncio.run(run())
    assert tally.good == answered
    assert tally.took_s >= STALL_S


def test_a_server_that_has_ended_is_no_result() -> None:
    """Requests that find no server end the benchmark with a sentence, in both loops."""
    service = Service(subprocess.Popen(["true"]), 1, Path(), Path(), "")
    service.process.wait()
    running = Running(Server("ended", ("true",), find_port()), service)
    with pytest.raises(BenchError, match=r"no good answer for dot: .*no connection"):
        drive_open(running, PICTURE, 0.5, 20.0, 0.5)
    with pytest.raises(BenchError, match=r"no good answer for dot: .*no connection"):
        drive_counted(running, PICTURE, 1, 0.1, 1)


def test_an_outage_is_the_longest_time_without_a_good_answer() -> None:
    """What fails meanwhile does not end it."""
    tally = Tally()
    for status, pause_s in ((200, 0.05), (503, 0.05), (200, 0.01), (CUT_OFF, 0), (200, 0)):
        tally.add(status, 0.001 * abs(status))
        time.sleep(pause_s)
    assert 0.1 <= tally.outage_s < 1
    assert (tally.good, tally.failed) == (3, {"503": 1, "cut off": 1})
    assert tally.find_ms(99, 503) == pytest.approx(503)
    assert tally.find_ms(99, 504) is None


def test_clients_that_disconnect_are_not_answered() -> None:
    """All of them come, and leave before a server that stalls has answered."""

    async def run() -> tuple[int, int]:
        async with serve_stall(1, STALL_S) as (url, stall):
            return await disconnect(make_target(url, PICTURE), 20, 8), stall.answered

    answered, begun = asyncio.run(run())
    assert answered == 0
    assert begun > 0
