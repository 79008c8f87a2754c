"""Overload, and clients that leave.

Each takes any server, so that Vitrine and its peer see the same.
"""

import asyncio
import contextlib
import json
import time
from http import HTTPStatus
from typing import Any

from bench.kit.client import Tally, make_target
from bench.kit.generator import count_until, keep_busy, offer, stay_while_others_leave
from bench.kit.images import Picture, make_picture
from bench.kit.servers import Server, ask, run_server

Row = dict[str, Any]
"""What a scenario saw, its `target`, and whether that was `reached`."""

PICTURE = make_picture("png")
REFUSED = int(HTTPStatus.SERVICE_UNAVAILABLE)
CONNECTIONS, MEASURE_S, OPEN_CONNECTIONS, PATIENCE_S = 64, 15.0, 1024, 15.0
STAYING, STAYING_SHARE = 8, 0.1
GOODPUT, REFUSED_MS = 0.9, 200.0


def run_busy(url: str, picture: Picture, clients: int, seconds: float) -> Tally:
    """Keep so many connections busy for so many seconds."""
    return asyncio.run(keep_busy(make_target(url, picture), clients, count_until(seconds)))


def overload(server: Server, picture: Picture, seconds: float, factor: float = 10) -> Row:
    """Offer ten times what the server can do, which is measured before and after."""
    with run_server(server, picture) as running:
        url, target = running.server.url, make_target(running.server.url, picture)
        run_busy(url, picture, CONNECTIONS, 5)
        before = run_busy(url, picture, CONNECTIONS, MEASURE_S).good / MEASURE_S
        tally = asyncio.run(offer(target, factor * before, seconds, OPEN_CONNECTIONS, PATIENCE_S))
        after = run_busy(url, picture, CONNECTIONS, MEASURE_S).good / MEASURE_S
    goodput, capacity = (tally.good - tally.late) / seconds, max(before, after)
    others = {code: n for code, n in tally.failed.items() if code != str(REFUSED)}
    late_ms = tally.find_ms(99, REFUSED)
    is_prompt = late_ms is not None and late_ms <= REFUSED_MS
    return {
        "target": "goodput >= 90% of capacity; the rest 503, 99% within 200 ms; nothing else",
        "capacity_before_per_s": round(before, 1),
        "capacity_after_per_s": round(after, 1),
        "offered_per_s": round(factor * before, 1),
        "goodput_per_s": round(goodput, 1),
        "goodput_share": round(goodput / capacity, 3),
        "served_p99_ms": tally.find_ms(99),
        "refused": tally.statuses[REFUSED],
        "refused_p50_ms": tally.find_ms(50, REFUSED),
        "refused_p99_ms": late_ms,
        "others": others,
        "reached": goodput >= GOODPUT * capacity and is_prompt and not others,
    }


def leave_in_flight(server: Server, seconds: float) -> Row:
    """Disconnect while requests are in flight, beside clients that stay for their answers."""
    with run_server(server, PICTURE) as running:
        alone = run_busy(running.server.url, PICTURE, STAYING, seconds)
        staying = stay_while_others_leave(running.server.url, PICTURE, STAYING, seconds)
        tally, left = asyncio.run(staying)
        time.sleep(1)
        queue = read_queue(running.server.url)
        after = run_busy(running.server.url, PICTURE, CONNECTIONS, 2)
    is_free = queue is None or (queue["images"] == queue["bytes"] == 0 < queue["cancelled"])
    return {
        "target": "who stays is served: 0 failed, a tenth of what is served without them; "
        "0 leaked: all slots are free, and used again",
        "left": left,
        "served_alone": alone.good,
        "served": tally.good,
        "failed": tally.failed,
        "longest_s": round(tally.outage_s, 1),
        "queue_after": queue,
        "served_after": after.good,
        "failed_after": after.failed,
        "reached": is_free
        and not tally.failed | after.failed
        and tally.good >= STAYING_SHARE * alone.good
        and left > 0 < after.good,
    }


def read_queue(url: str) -> Row | None:
    """Return what /health says of the queue, None where it does not."""
    with contextlib.suppress(ValueError, AttributeError):
        queue: Row | None = json.loads(ask(f"{url}/health") or b"").get("queue")
        return queue
    return None
