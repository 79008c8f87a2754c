"""Damaged images and bombs against a service that runs: thousands, some at once, on few lines."""

import asyncio
import time
from collections.abc import Iterator

import httpx

from tests.fuzz.answers import Tally
from tests.support import forgeries
from tests.support.bombs import BOMBS
from tests.support.mutations import Mutant, make_mutant
from tests.support.processes import Growth
from tests.support.service import Service

AT_ONCE = 16
LIMIT_S = 60.0
"""Seconds that an answer may take before it counts as none."""

Row = dict[str, object]


async def send_mutants(url: str, tally: Tally, numbers: range, longest_s: float) -> int:
    """Send mutants, and stop early when it has taken `longest_s`; gives how many were sent."""
    until, left, sent = time.monotonic() + longest_s, iter(numbers), 0
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)

    async def send_in_turn(client: httpx.AsyncClient) -> None:
        nonlocal sent
        for number in left:
            if time.monotonic() > until:
                return
            sent += 1
            await send_one(client, f"{url}/predict", make_mutant(number), tally)

    async with httpx.AsyncClient(limits=limits, timeout=LIMIT_S) as client:
        await asyncio.gather(*(send_in_turn(client) for _ in range(AT_ONCE)))
    return sent


async def send_one(client: httpx.AsyncClient, url: str, mutant: Mutant, tally: Tally) -> None:
    """Send one file, and count the answer."""
    started = time.perf_counter()
    try:
        response = await client.post(url, files={"file": ("image", mutant.data)})
    except httpx.HTTPError as exc:
        tally.refuse(f"{mutant.name}: no answer: {exc!r}")
        return
    tally.add(mutant.name, response, time.perf_counter() - started)


def explode_all(service: Service, tally: Tally) -> Iterator[Row]:
    """Send each bomb alone; gives what was answered, the seconds, and what any process grew by."""
    makes = BOMBS | {f"{name} header": make for name, make in forgeries.HUGE.items()}
    with httpx.Client(timeout=LIMIT_S) as client:
        for name, make in (makes | forgeries.BOMBS).items():
            files = {"file": ("image", make())}
            growth, started = Growth(service), time.perf_counter()
            response = client.post(f"{service.url}/predict", files=files)
            took_s = time.perf_counter() - started
            tally.add(name, response, took_s)
            answer = response.json()
            kind = answer["type"].rsplit(":", 1)[-1] if "type" in answer else "read"
            yield {
                "bomb": name,
                "bytes": len(files["file"][1]),
                "status": response.status_code,
                "answer": kind,
                "seconds": round(took_s, 2),
                "growth_mb": round(growth.read() / 1e6, 1),
            }
