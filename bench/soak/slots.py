"""Whether every slot of admission is free: all are filled, and then some more requests come.

Images: some that take long keep all worker processes busy, others wait behind them. Bytes: uploads
that stay unfinished. A slot that was never given back shows as a request refused too early.
"""

import asyncio
import contextlib
import math
from collections import Counter

from PIL import Image

from app.client.connection import Address, connect
from app.client.pool import Pool
from app.client.request import make_head, make_post
from app.limits import Limits
from bench.kit.client import split_body
from bench.kit.images import FORM
from bench.kit.results import Record
from bench.soak.requests import make_form
from tests.support.samples import encode, save

HEAVY, HEAVY_EDGE, HEAD_START_S = 16, 7000, 0.1
BEYOND = 4
"""Images more than there are slots."""

TRIES = 10
"""On a busy machine the first images are done before the last have come, and more are read."""

SLACK = 1 << 16
"""Bytes that are left free, and half of what is then asked for: a smaller leak is not seen."""

PIECE = 1 << 20
FULL_S, PROBE_S = 20.0, 0.3
READ, REFUSED = 200, 503


def fill_slots(port: int, limits: Limits) -> Record:
    """Fill all slots with images, then with bytes; return what was admitted."""
    for _ in range(TRIES):
        images = asyncio.run(fill_images(port, limits.max_queue))
        if images["read"] == images["slots"]:
            break
    return {"images": images, "bytes": asyncio.run(fill_bytes(port, limits))}


def list_lost(slots: Record) -> list[str]:
    """List what shows that slots are not free."""
    images, held = slots["images"], slots["bytes"]
    is_whole = images["read"] == images["slots"] and images["refused"] == BEYOND
    is_full = held["was_full"] and not held["refused_uploads"]
    found = {"images": is_whole, "bytes": is_full}
    return [f"slots for {kind}: {slots[kind]}" for kind, is_free in found.items() if not is_free]


async def fill_images(port: int, slots: int) -> Record:
    """Send some more images at once than there are slots."""
    pool = Pool(Address(port), slots + BEYOND)
    heavy = save(Image.new("RGB", (HEAVY_EDGE, HEAVY_EDGE)), "PNG")
    slow, quick = (make_post("/predict", FORM, make_form(x)) for x in (heavy, encode("GIF RGB")))
    first = [asyncio.create_task(pool.ask(slow)) for _ in range(HEAVY)]
    await asyncio.sleep(HEAD_START_S)
    others = (pool.ask(quick) for _ in range(slots + BEYOND - HEAVY))
    statuses = Counter(await asyncio.gather(*first, *others))
    pool.close()
    sent, read, refused = statuses.total(), statuses[READ], statuses[REFUSED]
    return {"slots": slots, "sent": sent, "read": read, "refused": refused}


async def fill_bytes(port: int, limits: Limits) -> Record:
    """Send uploads that nearly fill admission and never end, and ask whether more may come."""
    total = limits.max_queue_bytes - SLACK
    count = math.ceil(total / limits.max_bytes)
    body = make_form(bytes(total // count))[: total // count]
    uploads = [asyncio.create_task(upload(port, body)) for _ in range(count)]
    await asyncio.sleep(HEAD_START_S)  # all are announced before what asks for more
    was_full = False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FULL_S):
            while not (was_full := await is_full(port)):
                pass
    refused = sum(task.done() for task in uploads)
    for task in uploads:
        task.cancel()
    await asyncio.gather(*uploads, return_exceptions=True)
    facts = {"slots": limits.max_queue_bytes, "uploads": count}
    return facts | {"refused_uploads": refused, "was_full": was_full}


async def upload(port: int, body: bytes) -> None:
    """Send a body whose last byte never comes; ends with an answer."""
    connection = await connect(Address(port))
    head = make_head("POST /predict", f"Content-Type: {FORM}", f"Content-Length: {len(body) + 1}")
    try:
        await connection.send_pieces(head, split_body(body, PIECE))
    finally:
        connection.close()


async def is_full(port: int) -> bool:
    """Ask whether more may come than should fit, and see whether that is refused."""
    asked = (f"Content-Type: {FORM}", "Expect: 100-continue", f"Content-Length: {2 * SLACK}")
    connection = await connect(Address(port))
    try:
        async with asyncio.timeout(PROBE_S):
            return (await connection.send(make_head("POST /predict", *asked))).status == REFUSED
    except OSError:  # TimeoutError is one
        return False
    finally:
        connection.close()
