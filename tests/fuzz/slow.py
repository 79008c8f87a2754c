"""Slow uploads: does a good client notice 200 connections that send a byte a second?"""

import asyncio
import time
from contextlib import suppress

import httpx
import numpy as np

from tests.support.raw_requests import BOUNDARY, PART
from tests.support.service import SEVEN

CONNECTIONS = 200
BYTE_S = 1.0
CLIENTS = 4
"""Connections of the good client."""

ROUNDS = 3
ROUND_S = 6.0
_HEAD = (
    "POST /predict HTTP/1.1\r\nHost: vitrine.test\r\n"
    f"Content-Type: {BOUNDARY}\r\nContent-Length: 100000\r\n\r\n"
).encode()


async def measure_slow(port: int) -> dict[str, object]:
    """Measure a good client without and with slow uploads, in turns; latencies in milliseconds."""
    before: list[float] = []
    during: list[float] = []
    open_count = CONNECTIONS
    await ask(port, ROUND_S)  # a warm-up
    for _ in range(ROUNDS):
        before += await ask(port, ROUND_S)
        stop = asyncio.Event()
        slow = [asyncio.create_task(upload_slowly(port, stop)) for _ in range(CONNECTIONS)]
        await asyncio.sleep(1)
        during += await ask(port, ROUND_S)
        open_count = min(open_count, sum(not task.done() for task in slow))
        stop.set()
        await asyncio.gather(*slow)
    return {
        "connections": CONNECTIONS,
        "bytes_per_s": 1 / BYTE_S,
        "open_at_the_end": open_count,
        "without": summarize(before),
        "with": summarize(during),
        "p99_ratio": round(float(np.percentile(during, 99) / np.percentile(before, 99)), 2),
    }


def summarize(latencies_s: list[float]) -> dict[str, float]:
    """Summarize latencies, in milliseconds."""
    p50, p99 = np.percentile(latencies_s, (50, 99)) * 1000
    return {
        "requests": len(latencies_s),
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
    }


async def ask(port: int, seconds: float) -> list[float]:
    """Ask as a good client does, for so many seconds; gives the latencies in seconds."""
    latencies, until = [], time.monotonic() + seconds
    data = SEVEN.read_bytes()

    async def ask_in_turn(client: httpx.AsyncClient) -> None:
        while time.monotonic() < until:
            started = time.perf_counter()
            response = await client.post("/predict", files={"file": ("7.png", data)})
            latencies.append(time.perf_counter() - started)
            response.raise_for_status()

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        await asyncio.gather(*(ask_in_turn(client) for _ in range(CLIENTS)))
    return latencies


async def upload_slowly(port: int, stop: asyncio.Event) -> None:
    """Send a byte a second until told to stop or hung up on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_HEAD + PART)
    with suppress(ConnectionError):
        while not stop.is_set() and not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BYTE_S)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
