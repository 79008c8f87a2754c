"""The process that reads images for `app.images.worker_pool`, and how the two talk.

What a hostile image can do to a decoder, it does here: take too long, take too much memory or
crash. The process then ends, and nothing else does.
"""

import json
import signal
import socket
import struct
import sys
from dataclasses import asdict
from typing import Any, BinaryIO

import numpy as np
from PIL import AvifImagePlugin

from app.backend import Geometry
from app.errors import ProblemError
from app.images.formats import load_plugins
from app.images.memory_limit import make_bound
from app.images.reader import ImageReader, Reading
from app.limits import Limits

START = struct.Struct("!III")
"""A message: its number, the lengths of both its parts, then a part of JSON and a part of bytes.

To the process go a geometry (JSON), then images (bytes). Each message is answered
under its number: by `{}`, by what was read (JSON) with its pixels (bytes), or by a problem (JSON).
"""


def write_geometry(geometry: Geometry) -> bytes:
    """Write the head of the message that sets the geometry."""
    return json.dumps(asdict(geometry)).encode()


def read_geometry(head: bytes) -> Geometry:
    """Read what `write_geometry` wrote."""
    fields = json.loads(head)
    resize = fields["resize"]
    fields["resize"] = tuple(resize) if isinstance(resize, list) else resize
    return Geometry(**{**fields, "size": tuple(fields["size"])})


def write_reading(reading: Reading) -> tuple[dict[str, Any], bytes]:
    """Write the answer to an image that was read, its head and its body."""
    pixels = reading.pixels
    head = {
        "size": reading.size,
        "format": reading.format,
        "shape": pixels.shape,
        "type": pixels.dtype.str,
    }
    return head, pixels.tobytes()


def read_answer(head: bytes, body: bytes) -> Reading:
    """Read an answer; raises the ProblemError that it tells of."""
    answer = json.loads(head)
    if "problem" in answer:
        raise _PROBLEMS[answer["problem"]](answer["detail"])
    pixels = np.frombuffer(body, answer["type"]).reshape(answer["shape"])
    return Reading(tuple(answer["size"]), answer["format"], pixels)


_PROBLEMS = {problem.type: problem for problem in ProblemError.__subclasses__()}


def serve(requests: BinaryIO, answers: BinaryIO, images: ImageReader) -> None:
    """Answer requests until there are no more."""
    geometry: Geometry | None = None
    while start := requests.read(START.size):
        number, head_length, body_length = START.unpack(start)
        head, body = requests.read(head_length), requests.read(body_length)
        answer: dict[str, Any] = {}
        pixels = b""
        if head or geometry is None:
            geometry = read_geometry(head)
            images.warm_up(geometry)
        else:
            try:
                answer, pixels = write_reading(images.read(body, geometry))
            except ProblemError as problem:
                answer = {"problem": problem.type, "detail": str(problem)}
        text = json.dumps(answer).encode()
        answers.write(START.pack(number, len(text), len(pixels)) + text)
        answers.write(pixels)
        answers.flush()


def main() -> None:
    """Serve on the socket whose number is the first argument, within the limits of the second."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its parent does: no more requests
    load_plugins()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # there is a process a core; threads would take memory
    limits = Limits(**json.loads(sys.argv[2]))
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        try:
            with connection.makefile("rb") as requests, connection.makefile("wb") as answers:
                serve(requests, answers, ImageReader(limits, make_bound()))
        except ConnectionError:
            return  # the parent has gone


if __name__ == "__main__":
    main()
