"""Overload, clients that disconnect, bodies without end, and images that are none.

Each takes any server, so that Vitrine and its peer see the same.
"""

import asyncio
import contextlib
import socket
import time
from collections import Counter
from http import HTTPStatus
from itertools import chain
from typing import Any

from app.client.request import make_head
from bench.kit.client import Tally, encode_chunks, make_target
from bench.kit.generator import disconnect, keep_busy, offer, stay_busy, stay_while_others_leave
from bench.kit.images import Picture, make_picture
from bench.kit.servers import Server, run_server
from tests.support.bombs import BOMBS
from tests.support.forgeries import HUGE
from tests.support.mutations import make_mutant
from tests.support.processes import Growth
from tests.support.raw_requests import BOUNDARY, PART, read_queue

Row = dict[str, Any]
"""What a scenario saw, its `target`, and whether that was `reached`."""

PICTURE = make_picture("png")
REFUSED = int(HTTPStatus.SERVICE_UNAVAILABLE)
CONNECTIONS, MEASURE_S, OPEN_CONNECTIONS, PATIENCE_S = 64, 15.0, 1024, 15.0
LEAVING, STAYING, STAYING_SHARE = 32, 8, 0.1
GOODPUT, SERVED_MS, REFUSED_MS, GROWTH_MB = 0.9, 2000.0, 200.0, 100.0
MUTANTS = 20


def run_busy(url: str, picture: Picture, clients: int, seconds: float) -> Tally:
    """Keep so many connections busy for so many seconds."""
    return asyncio.run(stay_busy(url, picture, clients, seconds))


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
    served_ms, late_ms = tally.find_ms(99), tally.find_ms(99, REFUSED)
    is_prompt = late_ms is not None and late_ms <= REFUSED_MS
    is_prompt = is_prompt and served_ms is not None and served_ms <= SERVED_MS
    return {
        "target": "goodput >= 90% of capacity, 99% of it within 2 s; the rest 503, 99% within "
        "200 ms; nothing else",
        "capacity_per_s": [round(before, 1), round(after, 1)],
        "offered_per_s": round(factor * before, 1),
        "goodput_per_s": round(goodput, 1),
        "goodput_share": round(goodput / capacity, 3),
        "served_p99_ms": served_ms,
        "refused": tally.statuses[REFUSED],
        "refused_p50_p99_ms": [tally.find_ms(50, REFUSED), late_ms],
        "others": others,
        "reached": goodput >= GOODPUT * capacity and is_prompt and not others,
    }


def leave_in_flight(server: Server, count: int) -> Row:
    """Disconnect while requests are in flight; their slots must be free again."""
    with run_server(server, PICTURE) as running:
        url = running.server.url
        answered = asyncio.run(disconnect(make_target(url, PICTURE), count, LEAVING))
        time.sleep(1)
        queue = None
        with contextlib.suppress(ValueError):  # only Vitrine's /health tells it
            queue = read_queue(running.service).model_dump()
        after = run_busy(url, PICTURE, CONNECTIONS, 2)
    is_free = queue is None or (queue["images"] == queue["bytes"] == 0 < queue["cancelled"])
    return {
        "target": "0 leaked: all slots are free, and used again",
        "left": count - answered,
        "queue_after": queue,
        "served_after": after.good,
        "failed_after": after.failed,
        "reached": is_free and not after.failed and after.good > 0,
    }


def leave_beside(server: Server, seconds: float) -> Row:
    """Disconnect while requests are in flight, beside clients that stay for their answers."""
    with run_server(server, PICTURE) as running:
        url = running.server.url
        alone = run_busy(url, PICTURE, STAYING, seconds)
        tally, left = asyncio.run(stay_while_others_leave(url, PICTURE, STAYING, seconds))
    is_served = tally.good >= STAYING_SHARE * alone.good and not tally.failed
    return {
        "target": "who stays is served: 0 failed, a tenth of what is served without them",
        "left": left,
        "served_alone": alone.good,
        "served": tally.good,
        "failed": tally.failed,
        "longest_s": round(tally.outage_s, 1),
        "reached": is_served and left > 0,
    }


def send_huge_bodies(server: Server, size: int) -> Row:
    """Send bodies far over the limit, one announced and one in chunks."""
    with run_server(server, PICTURE) as running:
        growth = Growth(running.service)
        announced = stream_body(server.port, size, is_announced=True)
        chunked = stream_body(server.port, size, is_announced=False)
        grown_mb = round(growth.read() / 1e6, 1)
    return {
        "target": "413; no process grows by more than 100 MB",
        "announced": announced,
        "not_announced": chunked,
        "grown_mb": grown_mb,
        "reached": " 413 " in announced and " 413 " in chunked and grown_mb <= GROWTH_MB,
    }


def stream_body(port: int, size: int, *, is_announced: bool) -> str:
    """Send a form with a file of zeros until the server answers; return the status line."""
    parts = (PART, *[bytes(1 << 20)] * (size >> 20), b"\r\n--cut--\r\n")
    length, body = f"Content-Length: {sum(map(len, parts))}", iter(parts)
    if not is_announced:
        length, body = "Transfer-Encoding: chunked", encode_chunks(parts)
    head = make_head("POST /predict", "Connection: close", length, f"Content-Type: {BOUNDARY}")
    address = ("127.0.0.1", port)
    with contextlib.suppress(OSError), socket.create_connection(address, 60) as connection:
        with contextlib.suppress(ConnectionError):  # the answer may have come before
            for data in chain([head], body):
                connection.sendall(data)
        return connection.recv(4096).split(b"\r\n")[0].decode() or "connection closed"
    return "no answer"


def make_bad_images() -> dict[str, bytes]:
    """Make bombs, headers of huge images, damaged images, and files that are no image."""
    makes = BOMBS | {f"{name} header": make for name, make in HUGE.items()}
    mutants = {mutant.name: mutant.data for mutant in map(make_mutant, range(MUTANTS))}
    return {name: make() for name, make in makes.items()} | mutants | {"text": b"no", "empty": b""}


def send_bad_images(server: Server) -> Row:
    """Send bad images, each alone and with a good one behind it."""
    answers: dict[str, Row] = {}
    with run_server(server, PICTURE) as running:
        url = running.server.url
        for name, data in make_bad_images().items():
            growth = Growth(running.service)
            status, took_s = send_once(url, Picture(name, data, "image/png"))
            answers[name] = {
                "bytes": len(data),
                "status": status,
                "seconds": round(took_s, 2),
                "grown_mb": round(growth.read() / 1e6, 1),
                "good_after": send_once(url, PICTURE)[0],
            }
    statuses = Counter(str(answer["status"]) for answer in answers.values())
    grown_mb = max(answer["grown_mb"] for answer in answers.values())
    good_after = sum(answer["good_after"] == HTTPStatus.OK for answer in answers.values())
    is_served = good_after == len(answers) and all(status[0] in "24" for status in statuses)
    return {
        "target": "2xx or 4xx; no process grows by more than 100 MB; good images are served",
        "statuses": dict(statuses),
        "grown_mb": grown_mb,
        "longest_s": max(answer["seconds"] for answer in answers.values()),
        "good_after": f"{good_after} of {len(answers)}",
        "answers": answers,
        "reached": is_served and grown_mb <= GROWTH_MB,
    }


def send_once(url: str, picture: Picture) -> tuple[int, float]:
    """Send one request on a connection of its own; return the status and the seconds."""
    tally = asyncio.run(keep_busy(make_target(url, picture), 1, range(1)))
    ((status, (seconds,)),) = tally.seconds.items()
    return status, seconds
