"""The process that reads images for `app.prediction.processes`, and how the two talk.

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
from app.prediction.images import load_plugins
from app.prediction.limits import Limits
from app.prediction.memory import make_bound
from app.prediction.reader import ImageReader, Reading

LENGTHS = struct.Struct("!II")
"""A message: the lengths of both its parts, then a part of JSON and a part of bytes.

To the process go a geometry (JSON), then images (bytes). Each message is answered, in order: by
`{}`, by what was read (JSON) with its pixels (bytes), or by a problem (JSON).
"""


def write_geometry(geometry: Geometry) -> bytes:
    """Write the message that sets the geometry."""
    return write_message(asdict(geometry))


def write_message(head: dict[str, Any], body: bytes = b"") -> bytes:
    """Write a message."""
    text = json.dumps(head).encode() if head else b""
    return LENGTHS.pack(len(text), len(body)) + text + body


def read_geometry(head: bytes) -> Geometry:
    """Read what `write_geometry` wrote."""
    fields = json.loads(head)
    resize = fields["resize"]
    fields["resize"] = tuple(resize) if isinstance(resize, list) else resize
    return Geometry(**{**fields, "size": tuple(fields["size"])})


def write_reading(reading: Reading) -> bytes:
    """Write the answer to an image that was read."""
    pixels = reading.pixels
    head = {
        "size": reading.size,
        "format": reading.format,
        "shape": pixels.shape,
        "type": pixels.dtype.str,
    }
    return write_message(head, pixels.tobytes())


def write_problem(problem: ProblemError) -> bytes:
    """Write the answer to an image that was refused."""
    return write_message({"problem": problem.type, "detail": str(problem)})


def read_answer(head: bytes, body: bytes) -> Reading:
    """Read what `write_reading` wrote; raises the ProblemError that `write_problem` wrote."""
    answer = json.loads(head)
    if "problem" in answer:
        raise _PROBLEMS[answer["problem"]](answer["detail"])
    pixels = np.frombuffer(body, answer["type"]).reshape(answer["shape"])
    return Reading(tuple(answer["size"]), answer["format"], pixels)


_PROBLEMS = {problem.type: problem for problem in ProblemError.__subclasses__()}


def serve(requests: BinaryIO, answers: BinaryIO, images: ImageReader) -> None:
    """Answer requests until there are no more."""
    geometry: Geometry | None = None
    while lengths := requests.read(LENGTHS.size):
        head_length, body_length = LENGTHS.unpack(lengths)
        head, body = requests.read(head_length), requests.read(body_length)
        if head or geometry is None:
            geometry = read_geometry(head)
            images.prepare(geometry)
            answer = write_message({})
        else:
            try:
                answer = write_reading(images.read(body, geometry))
            except ProblemError as problem:
                answer = write_problem(problem)
        answers.write(answer)
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
