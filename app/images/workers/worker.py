"""The worker process that reads images; `app.images.workers.process` starts it and asks it.

What a hostile image can do to a decoder, it does here: take too long, take too much memory or
crash. The worker then ends, and nothing else does.
"""

import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import BinaryIO

from PIL import AvifImagePlugin

from app.backend import Geometry
from app.errors import ProblemError
from app.images.formats import load_plugins
from app.images.memory_limit import make_bound
from app.images.reader import ImageReader
from app.images.workers.messages import LENGTHS, Head, pack_message, unpack_head
from app.images.workers.read_queue import GROUP_S
from app.limits import Limits


def _read_image(images: ImageReader, image: bytes, geometry: Geometry) -> tuple[Head, bytes]:
    """Read an image; returns the answer to it, whose last part is the seconds of CPU."""
    started = time.process_time()
    try:
        reading = images.read(image, geometry)
    except ProblemError as problem:
        return ("problem", problem.type, str(problem), time.process_time() - started), b""
    pixels = reading.pixels.tobytes()
    return ("reading", reading.size, reading.format, time.process_time() - started), pixels


def serve(requests: BinaryIO, answers: BinaryIO, images: ImageReader, progress: int) -> None:
    """Answer requests until there are no more.

    Args:
        requests: what comes from the parent.
        answers: what goes to it.
        images: reads images.
        progress: descriptor of a file that tells which image of its group is being read.
    """
    while start := requests.read(LENGTHS.size):
        number, fields, lengths = unpack_head(requests.read(LENGTHS.unpack(start)[0]))
        geometry, heads, bodies = Geometry(*fields), [], []
        if not lengths:
            images.warm_up(geometry)
        started = time.process_time()
        seconds = 0.0
        for index, length in enumerate(lengths):
            image = requests.read(length)
            if seconds > GROUP_S:
                continue  # it is given to a worker again
            with suppress(OSError):  # the disk is full, and it is only a hint
                os.pwrite(progress, bytes([index]), 0)
            head, pixels = _read_image(images, image, geometry)
            heads.append(head)
            bodies.append(pixels)
            seconds = time.process_time() - started
        answers.writelines(pack_message((number, seconds, heads), *bodies))
        answers.flush()


def run(images: ImageReader) -> None:
    """Serve on standard input, a socket, with the file of the progress that the arguments name."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its parent does: no more requests
    load_plugins()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # there is a worker a core; threads would take memory
    connection = socket.socket(fileno=sys.stdin.fileno())
    with (
        suppress(ConnectionError),  # the parent has ended
        connection.makefile("rb") as requests,
        connection.makefile("wb") as answers,
    ):
        serve(requests, answers, images, int(sys.argv[2]))


def read_limits() -> Limits:
    """Read the limits that the arguments give."""
    return Limits(**json.loads(sys.argv[1]))


if __name__ == "__main__":
    run(ImageReader(read_limits(), make_bound()))
