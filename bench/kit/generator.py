"""Loads of a benchmark: connections that are kept busy, requests on a schedule, and disconnects."""

import asyncio
import math
import time
from collections.abc import Iterable
from http import HTTPStatus

from app.client.connection import connect
from app.client.generator import count_until, draw_schedule, run_closed, run_open
from app.client.pool import NO_CONNECTION, UNANSWERED, Pool
from bench.kit.client import Tally, Target, make_target
from bench.kit.images import Picture

RETRY_S = 0.1
"""Seconds until a client tries again after its connection was refused."""


async def keep_busy(target: Target, clients: int, numbers: Iterable[int]) -> Tally:
    """Keep so many connections busy, each with one request at a time."""
    pool, tally = Pool(target.address, clients), Tally()

    async def send(_: int) -> None:
        sent = time.perf_counter()
        status = await pool.ask(target.request)
        tally.add(status, time.perf_counter() - sent)
        if status == NO_CONNECTION:
            await asyncio.sleep(RETRY_S)

    tally.took_s = await run_closed(send, clients, numbers)
    pool.close()
    return tally


async def offer(
    target: Target, rate: float, seconds: float, connections: int, patience_s: float = math.inf
) -> Tally:
    """Send requests on a Poisson schedule, whatever comes back; without a connection they wait."""
    pool, tally, ends = Pool(target.address, connections), Tally(), time.perf_counter() + seconds

    async def send(due: float) -> None:
        tally.lateness.append(time.perf_counter() - due)
        status = await pool.ask(target.request)
        tally.late += status == HTTPStatus.OK and time.perf_counter() > ends
        tally.add(status, time.perf_counter() - due)

    unanswered = await run_open(send, draw_schedule(rate, seconds), patience_s)
    tally.seconds[UNANSWERED] += [patience_s] * unanswered
    pool.close()
    return tally


async def disconnect(target: Target, count: int, clients: int) -> int:
    """Send requests and close each connection a moment later; return how many were answered."""
    answered = 0

    async def send_and_leave(number: int) -> None:
        nonlocal answered
        connection = await connect(target.address)
        answer = connection.send(target.request)
        await asyncio.wait([answer], timeout=0.002 * (1 + number % 5))
        answered += answer.done()
        answer.cancel()
        connection.close()

    await run_closed(send_and_leave, clients, range(count))
    return answered


async def stay_busy(url: str, picture: Picture, clients: int, seconds: float) -> Tally:
    """Send the picture over so many connections for so many seconds."""
    return await keep_busy(make_target(url, picture), clients, count_until(seconds))


async def stay_while_others_leave(
    url: str, picture: Picture, clients: int, seconds: float
) -> tuple[Tally, int]:
    """Keep connections busy while as many others close; return what came, and how many closed."""
    staying = asyncio.create_task(stay_busy(url, picture, clients, seconds))
    left = 0
    while not staying.done():
        left += 100 - await disconnect(make_target(url, picture), 100, clients)
    return await staying, left
