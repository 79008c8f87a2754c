"""What ends while the service works: a replica, or the service itself."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from bench.chaos.floods import PICTURE, Row, run_busy
from bench.kit.client import CUT_OFF, Tally, make_target
from bench.kit.generator import count_until, keep_busy
from bench.kit.images import Picture
from bench.kit.models import BUNDLED
from bench.kit.servers import find_replicas, make_vitrine, run_server, stop

STOP_LIMIT_S = 30.0
OUTAGE_LIMIT_S = 30.0
LEAD_S = 3.0
"""Seconds of load before something happens."""

TYPED = {
    str(int(status)) for status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
}
T = TypeVar("T")


def act_under_load(
    url: str, picture: Picture, clients: int, seconds: float, act: Callable[[], Awaitable[T]]
) -> tuple[Tally, T]:
    """Keep connections busy, and do something a moment after the load has begun."""

    async def run() -> tuple[Tally, T]:
        numbers = count_until(seconds)
        load = asyncio.create_task(keep_busy(make_target(url, picture), clients, numbers))
        await asyncio.sleep(LEAD_S)
        done = await act()
        return await load, done

    return asyncio.run(run())


def kill_replica(deployment: str, seconds: float, picture: Picture = PICTURE, of: int = 2) -> Row:
    """Kill one of two replicas under load, or the only one: what clients are answered.

    Of one, clients may be told for a while that there is none.
    """
    settings = {"VITRINE_INGRESS_REPLICAS": str(of), "VITRINE_CLASSIFIER_REPLICAS": str(of)}
    with run_server(make_vitrine(BUNDLED, settings), PICTURE) as running:

        async def kill() -> set[int]:
            found = find_replicas(running.service, deployment)
            os.kill(min(found), signal.SIGKILL)
            return found

        tally, before = act_under_load(running.server.url, picture, 8 * of, seconds, kill)
        after = find_replicas(running.service, deployment)
        is_back = not run_busy(running.server.url, PICTURE, 4, 2).failed
    is_replaced = len(after) == len(before) and min(before) not in after
    allowed = set() if of > 1 else TYPED
    is_short = of > 1 or tally.outage_s <= OUTAGE_LIMIT_S
    return {
        "target": "0 failed, and replaced"
        if of > 1
        else "an outage of <= 30 s; only 503 and 504 meanwhile",
        "outage_s": round(tally.outage_s, 1),
        "served": tally.good,
        "failed": tally.failed,
        "longest_ms": tally.find_ms(100),
        "replaced": is_replaced,
        "reached": is_back
        and is_replaced
        and is_short
        and set(tally.failed) <= allowed
        and tally.good > 0,
    }


def stop_under_load(proxy: str) -> Row:
    """Stop the service while it works: what is in flight is answered."""
    with run_server(make_vitrine(BUNDLED, {"VITRINE_PROXY": proxy}), PICTURE) as running:
        tally, (took_s, left) = act_under_load(
            running.server.url, PICTURE, 16, 6, lambda: asyncio.to_thread(stop, running)
        )
    is_kept = took_s <= STOP_LIMIT_S and not left
    is_promised = proxy == "haproxy"
    others = set(tally.failed) - {"no connection"}
    return {
        "target": "in-flight answered; the whole stop <= 30 s; no process left"
        if is_promised
        else "nothing is promised of it",
        "served": tally.good,
        "cut_off": tally.statuses[CUT_OFF],
        "refused": tally.failed.get("no connection", 0),
        "stop_s": round(took_s, 1),
        "left": left,
        "reached": is_kept and not others if is_promised else None,
    }
