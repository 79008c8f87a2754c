"""Too much at once: overload, clients that leave, bodies without end, images that are none.

Each takes any server, so that Vitrine and its peer see the same.
"""

import asyncio
import contextlib
import json
import socket
import time
import urllib.request
from collections import Counter
from http import HTTPStatus

from bench.chaos.rows import PICTURE, Growth, Row
from bench.chaos.traffic import (
    disconnect,
    keep_busy,
    offer,
    send_once,
    stay_while_others_leave,
)
from bench.kit.images import Picture
from bench.kit.lifecycle import run_server
from bench.kit.servers import Server

SERVED, REFUSED = int(HTTPStatus.OK), int(HTTPStatus.SERVICE_UNAVAILABLE)
CONNECTIONS, MEASURE_S = 64, 15.0
GROWTH_MB = 100.0
STAYING, STAYING_SHARE = 8, 0.1
GOODPUT, REFUSED_MS = 0.9, 200.0


def overload(server: Server, picture: Picture, seconds: float, factor: float = 10) -> Row:
    """Offer ten times what the server can do, which is measured before and after."""
    with run_server(server, picture) as running:
        url = running.server.url
        asyncio.run(keep_busy(url, picture, CONNECTIONS, 5))
        before = asyncio.run(keep_busy(url, picture, CONNECTIONS, MEASURE_S)).good / MEASURE_S
        tally = asyncio.run(offer(url, picture, factor * before, seconds))
        after = asyncio.run(keep_busy(url, picture, CONNECTIONS, MEASURE_S)).good / MEASURE_S
    goodput, capacity = (tally.good - tally.late) / seconds, max(before, after)
    others = {code: n for code, n in tally.failed.items() if code != str(REFUSED)}
    late = tally.find_ms(REFUSED, 99)
    return {
        "target": "goodput >= 90% of capacity; the rest 503, 99% within 200 ms; nothing else",
        "capacity_before_per_s": round(before, 1),
        "capacity_after_per_s": round(after, 1),
        "offered_per_s": round(factor * before, 1),
        "goodput_per_s": round(goodput, 1),
        "goodput_share": round(goodput / capacity, 3),
        "served_p99_ms": tally.find_ms(SERVED, 99),
        "refused": tally.statuses[REFUSED],
        "refused_p50_ms": tally.find_ms(REFUSED, 50),
        "refused_p99_ms": late,
        "others": others,
        "reached": goodput >= GOODPUT * capacity and _is_prompt(late) and not others,
    }


def _is_prompt(late_ms: float | None) -> bool:
    """Tell whether refusals came, and in time."""
    return late_ms is not None and late_ms <= REFUSED_MS


def leave_in_flight(server: Server, count: int) -> Row:
    """Hang up on requests in mid-flight; their places must be free again."""
    with run_server(server, PICTURE) as running:
        url = running.server.url
        answered = asyncio.run(disconnect(url, PICTURE, count, 32))
        time.sleep(1)
        queue = read_queue(url)
        tally = asyncio.run(keep_busy(url, PICTURE, CONNECTIONS, 2))
    is_free = queue is None or (queue["images"] == queue["bytes"] == 0 < queue["cancelled"])
    return {
        "target": "0 leaked: all places are free, and used again",
        "left": count - answered,
        "queue_after": queue,
        "served_after": tally.good,
        "failed_after": tally.failed,
        "reached": is_free and not tally.failed and tally.good > 0,
    }


def leave_beside_others(server: Server, seconds: float) -> Row:
    """Hang up on requests in mid-flight, beside clients that stay for their answers."""
    with run_server(server, PICTURE) as running:
        url = running.server.url
        alone = asyncio.run(keep_busy(url, PICTURE, STAYING, seconds))
        tally, left = asyncio.run(stay_while_others_leave(url, PICTURE, STAYING, seconds))
    share = tally.good / alone.good
    return {
        "target": "who stays is served: 0 failed, a tenth of what is served without them",
        "left": left,
        "served_alone": alone.good,
        "served": tally.good,
        "failed": tally.failed,
        "longest_s": round(tally.outage_s, 1),
        "reached": not tally.failed and share >= STAYING_SHARE and left > 0,
    }


def read_queue(url: str) -> Row | None:
    """Return what /health tells of the queue, nothing where it does not."""
    with urllib.request.urlopen(f"{url}/health", timeout=30) as answer:
        body = answer.read()
    with contextlib.suppress(ValueError, AttributeError):
        queue: Row | None = json.loads(body).get("queue")
        return queue
    return None


def send_huge_bodies(server: Server, size: int) -> Row:
    """Send bodies far over the limit, announced and not."""
    with run_server(server, PICTURE) as running:
        growth = Growth(running.pid)
        told = [stream_body(server, size, announce=announce) for announce in (True, False)]
        grown = growth.read()
    return {
        "target": "413; no process grows by more than 100 MB",
        "announced": told[0],
        "not_announced": told[1],
        "grown_mb": grown,
        "reached": all(" 413 " in line for line in told) and grown <= GROWTH_MB,
    }


def stream_body(server: Server, size: int, *, announce: bool) -> str:
    """Send a form with a file of zeros until the server answers; return the status line."""
    start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    parts = (start, *([bytes(1 << 20)] * (size >> 20)), b"\r\n--x--\r\n")
    length = f"Content-Length: {sum(map(len, parts))}"
    head = (
        "POST /predict HTTP/1.1\r\nHost: vitrine.test\r\n"
        f"{length if announce else 'Transfer-Encoding: chunked'}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(head.encode())
            for part in parts:
                frame = part if announce else b"%x\r\n%b\r\n" % (len(part), part)
                connection.sendall(frame)
            connection.sendall(b"" if announce else b"0\r\n\r\n")
        with contextlib.suppress(ConnectionError, TimeoutError):
            return connection.recv(4096).split(b"\r\n")[0].decode() or "hung up"
    return "no answer"


def send_bad_images(server: Server, makes: dict[str, bytes]) -> Row:
    """Send images that are none, damaged ones and bombs, each alone, with good ones between."""
    answers: dict[str, Row] = {}
    with run_server(server, PICTURE) as running:
        url = running.server.url
        for name, data in makes.items():
            growth, sent = Growth(running.pid), time.perf_counter()
            status = asyncio.run(send_once(url, Picture(name, data, "image/png")))
            answers[name] = {
                "bytes": len(data),
                "status": status,
                "seconds": round(time.perf_counter() - sent, 2),
                "grown_mb": growth.read(),
                "good_after": asyncio.run(send_once(url, PICTURE)),
            }
    statuses = Counter(str(answer["status"]) for answer in answers.values())
    grown = max(answer["grown_mb"] for answer in answers.values())
    good_after = sum(answer["good_after"] == SERVED for answer in answers.values())
    return {
        "target": "2xx or 4xx; no process grows by more than 100 MB; good images are served",
        "statuses": dict(statuses),
        "grown_mb": grown,
        "longest_s": max(answer["seconds"] for answer in answers.values()),
        "good_after": f"{good_after} of {len(answers)}",
        "answers": answers,
        "reached": all(status[0] in "24" for status in statuses)
        and grown <= GROWTH_MB
        and good_after == len(answers),
    }
