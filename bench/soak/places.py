"""Whether every place of admission is free: the house is filled to the last one, and one more asks.

Images: some that take long keep all reading processes busy, others wait behind them. Bytes:
uploads that stay unfinished. A place that was never given back shows as one refused too early.
"""

import asyncio
import contextlib
import io
import math
from collections import Counter

from PIL import Image

from app.limits import Limits
from bench.compare.summary import Document
from bench.soak.bodies import FORM, make_form, make_message
from bench.soak.clients import HOST, Client, read_answer
from bench.soak.kinds import Manner, Request
from tests.support.samples import encode

HEAVY = 16
HEAVY_EDGE = 7000
HEAD_START_S = 0.5
BEYOND = 4
"""Images more than there are places."""

TRIES = 3
"""On a busy machine the first images are over before the last have come, and more are read."""

SLACK = 1 << 16
"""Bytes that are left free, and half of what then asks to come in: a smaller leak is not seen."""

PIECE = 1 << 20
FULL_S = 20.0
PROBE_S = 0.3
CONTINUE, READ, REFUSED = 100, 200, 503


def fill_places(port: int, limits: Limits) -> Document:
    """Fill the house with images, then with bytes; return what was let in."""
    for _ in range(TRIES):
        images = asyncio.run(fill_images(port, limits.max_queue))
        if images["read"] == images["places"]:
            break
    return {"images": images, "bytes": asyncio.run(fill_bytes(port, limits))}


def list_lost(places: Document) -> list[str]:
    """List what shows that places are not free."""
    images, held = places["images"], places["bytes"]
    lost = []
    if images["read"] != images["places"] or images["refused"] != BEYOND:
        lost.append(f"places for images: {images}")
    if held["refused_uploads"] or not held["was_full"]:
        lost.append(f"places for bytes: {held}")
    return lost


async def fill_images(port: int, places: int) -> Document:
    """Send some more images at once than there are places."""
    buffer = io.BytesIO()
    Image.new("RGB", (HEAVY_EDGE, HEAVY_EDGE)).save(buffer, "PNG")
    first = [asyncio.create_task(_ask(port, buffer.getvalue())) for _ in range(HEAVY)]
    await asyncio.sleep(HEAD_START_S)
    others = (_ask(port, encode("GIF RGB")) for _ in range(places + BEYOND - HEAVY))
    statuses = Counter(await asyncio.gather(*first, *others))
    return {
        "places": places,
        "sent": statuses.total(),
        "read": statuses[READ],
        "refused": statuses[REFUSED],
    }


async def _ask(port: int, data: bytes) -> int:
    """Send an image and return the status of its answer."""
    message = make_message("POST /predict", FORM, body=make_form(data))
    request = Request("place", message, frozenset(), Manner.CLOSES, 0.0)
    answer = await Client(port).send(request)
    return answer.status if answer else 0


async def fill_bytes(port: int, limits: Limits) -> Document:
    """Send uploads that nearly fill the house and never end, and ask whether more may come."""
    total = limits.max_queue_bytes - SLACK
    count = math.ceil(total / limits.max_bytes)
    uploads = [asyncio.create_task(_upload(port, total // count)) for _ in range(count)]
    was_full = False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FULL_S):
            while not (was_full := await _is_full(port)):
                pass
    refused = sum(upload.done() for upload in uploads)
    for upload in uploads:
        upload.cancel()
    await asyncio.gather(*uploads, return_exceptions=True)
    return {
        "places": limits.max_queue_bytes,
        "uploads": count,
        "refused_uploads": refused,
        "was_full": was_full,
    }


async def _upload(port: int, size: int) -> None:
    """Send all of a body but its last byte; ends with an answer."""
    message = make_message("POST /predict", FORM, f"Content-Length: {size + 1}")
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(message.head)
        body = make_form(bytes(size))[:size]
        for start in range(0, size, PIECE):
            writer.write(body[start : start + PIECE])
            await writer.drain()
        await read_answer(reader)
    finally:
        writer.close()


async def _is_full(port: int) -> bool:
    """Ask whether more may come than should fit, and see whether that is refused."""
    asked = ("Expect: 100-continue", f"Content-Length: {2 * SLACK}")
    head = make_message("POST /predict", FORM, *asked).head
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(head)
    try:
        async with asyncio.timeout(PROBE_S):
            while (answer := await read_answer(reader)).status == CONTINUE:
                pass  # HAProxy says so whatever the ingress will say
            return answer.status == REFUSED
    except TimeoutError:
        return False
    finally:
        writer.close()
