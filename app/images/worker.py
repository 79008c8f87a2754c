"""The worker process that reads images for `app.images.worker_pool`, and the messages between them.

What a hostile image can do to a decoder, it does here: take too long, take too much memory or
crash. The worker then ends, and nothing else does.

A message is four bytes of length, then MessagePack. It is not pickle, because unpickling runs the
code that its sender names, and a hostile image may control the worker that sends the answer.
"""

import json
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, BinaryIO

import msgpack
import numpy as np
from PIL import AvifImagePlugin

from app.backend import Geometry
from app.errors import ProblemError
from app.images.formats import load_plugins
from app.images.memory_limit import make_bound
from app.images.reader import ImageReader, Reading
from app.limits import Limits

LENGTH_BYTES = 4

Message = tuple[Any, ...]
"""To the worker: `(number, geometry, image)`; without an image it warms up.

From it, for each: the number, then a reading (size, format, shape, dtype, pixels), a problem (type,
detail) or nothing.
"""

_PROBLEMS = {problem.type: problem for problem in ProblemError.__subclasses__()}


def pack_message(message: Message) -> tuple[bytes, bytes]:
    """Pack a message; returns its length and its body."""
    body = msgpack.packb(message)
    return len(body).to_bytes(LENGTH_BYTES), body


def unpack_message(body: bytes) -> Message:
    """Unpack the body of a message; raises ValueError."""
    message: Message = msgpack.unpackb(body, use_list=False)
    return message


def unpack_reading(answer: Message) -> Reading:
    """Unpack a reading; raises the ProblemError that came instead."""
    if len(answer) == 2:  # noqa: PLR2004 - type and detail
        raise _PROBLEMS[answer[0]](answer[1])
    size, image_format, shape, dtype, body = answer
    return Reading(size, image_format, np.ndarray(shape, dtype, body))


def _answer(images: ImageReader, geometry: Geometry, image: bytes | None) -> Message:
    """Read an image, or warm up."""
    if image is None:
        images.warm_up(geometry)
        return ()
    try:
        reading = images.read(image, geometry)
    except ProblemError as problem:
        return problem.type, str(problem)
    pixels = reading.pixels
    return reading.size, reading.format, pixels.shape, pixels.dtype.str, pixels.tobytes()


def serve(requests: BinaryIO, answers: BinaryIO, images: ImageReader) -> None:
    """Answer requests until there are no more."""
    while body := requests.read(int.from_bytes(requests.read(LENGTH_BYTES))):
        number, geometry, image = unpack_message(body)
        answer = _answer(images, Geometry(*geometry), image)
        answers.writelines(pack_message((number, *answer)))
        answers.flush()


def main() -> None:
    """Serve on standard input, a socket, within the limits of the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its parent does: no more requests
    load_plugins()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # there is a worker a core; threads would take memory
    images = ImageReader(Limits(**json.loads(sys.argv[1])), make_bound())
    connection = socket.socket(fileno=sys.stdin.fileno())
    with (
        suppress(ConnectionError),  # the parent has gone
        connection.makefile("rb") as requests,
        connection.makefile("wb") as answers,
    ):
        serve(requests, answers, images)


if __name__ == "__main__":
    main()
