"""The worker process that reads images for `app.images.worker_pool`, and the messages between them.

What a hostile image can do to a decoder, it does here: take too long, take too much memory or
crash. The worker then ends, and nothing else does.

The head of a message is MessagePack. It is not pickle, because unpickling runs the code that its
sender names, and a hostile image may control the worker that sends the answer.
"""

import json
import math
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any, BinaryIO

import msgpack
import numpy as np
from PIL import AvifImagePlugin

from app.backend import Geometry, Pixels
from app.errors import ProblemError
from app.images.formats import load_plugins
from app.images.memory_limit import make_bound
from app.images.reader import ImageReader, Reading
from app.limits import Limits

LENGTHS = struct.Struct("!II")
"""A message begins with the lengths of its head and of its body, which is never copied."""

MAX_HEAD_BYTES = 1 << 16
"""Bytes of an answer's head that are received."""

Head = tuple[Any, ...]
"""To the worker: `(number, geometry, is_image)`, with an image as body, or none to warm up.

From the worker: its number; then `"reading"`, size and format, with pixels as body; or `"problem"`,
type and detail; or nothing where it is warm.
"""

_PROBLEMS = {problem.type: problem for problem in ProblemError.__subclasses__()}


def count_bytes(geometry: Geometry) -> int:
    """Count the bytes of a reading's pixels."""
    return math.prod(geometry.shape) * np.dtype(geometry.dtype).itemsize


def pack_message(head: Head, body: bytes = b"") -> tuple[bytes, bytes, bytes]:
    """Pack a message into its parts."""
    packed = msgpack.packb(head)
    return LENGTHS.pack(len(packed), len(body)), packed, body


def unpack_head(packed: bytes) -> Head:
    """Unpack the head of a message; raises ConnectionError where it is not one."""
    try:
        head: Head = msgpack.unpackb(packed, use_list=False)
    except ValueError as exc:
        raise ConnectionError("The message is not MessagePack.") from exc
    if not isinstance(head, tuple):
        raise ConnectionError("The message has no head.")
    return head


def unpack_lengths(packed: bytes, geometry: Geometry) -> tuple[int, int]:
    """Unpack the lengths of an answer; raises ConnectionError where none is so long."""
    head, body = LENGTHS.unpack(packed)
    if head > MAX_HEAD_BYTES or body > count_bytes(geometry):
        raise ConnectionError("The answer is too long.")
    return head, body


def unpack_reading(answer: Head, body: bytes, geometry: Geometry) -> Reading:
    """Unpack a reading. The geometry, and not the sender, says what its pixels are.

    Raises:
        ProblemError: what came instead.
        ConnectionError: the answer is not one that a worker gives.
    """
    match answer:
        case ("problem", str() as kind, str() as detail) if kind in _PROBLEMS:
            raise _PROBLEMS[kind](detail)
        case ("reading", (int() as width, int() as height), str() as image_format):
            if len(body) == count_bytes(geometry):
                pixels: Pixels = np.ndarray(geometry.shape, geometry.dtype, body)
                return Reading((width, height), image_format, pixels)
    raise ConnectionError("The answer is neither a reading of this geometry nor a problem.")


def _read_image(images: ImageReader, image: bytes, geometry: Geometry) -> tuple[Head, bytes]:
    """Read an image; returns the answer to it."""
    try:
        reading = images.read(image, geometry)
    except ProblemError as problem:
        return ("problem", problem.type, str(problem)), b""
    return ("reading", reading.size, reading.format), reading.pixels.tobytes()


def serve(requests: BinaryIO, answers: BinaryIO, images: ImageReader) -> None:
    """Answer requests until there are no more."""
    while start := requests.read(LENGTHS.size):
        head, body = map(requests.read, LENGTHS.unpack(start))
        number, fields, is_image = unpack_head(head)
        geometry, answer, pixels = Geometry(*fields), (), b""
        if is_image:
            answer, pixels = _read_image(images, body, geometry)
        else:
            images.warm_up(geometry)
        answers.writelines(pack_message((number, *answer), pixels))
        answers.flush()


def main() -> None:
    """Serve on standard input, a socket, within the limits of the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its parent does: no more requests
    load_plugins()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # there is a worker a core; threads would take memory
    images = ImageReader(Limits(**json.loads(sys.argv[1])), make_bound())
    connection = socket.socket(fileno=sys.stdin.fileno())
    with (
        suppress(ConnectionError),  # the parent has ended
        connection.makefile("rb") as requests,
        connection.makefile("wb") as answers,
    ):
        serve(requests, answers, images)


if __name__ == "__main__":
    main()
