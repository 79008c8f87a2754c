"""The messages between `app.images.workers.process` and the worker that it started.

The head of a message is MessagePack. It is not pickle, because unpickling runs the code that its
sender names, and a hostile image may control the worker that sends the answer.
"""

import math
import struct
from collections.abc import Iterator
from typing import Any

import msgpack
import numpy as np

from app.backend import Geometry, Pixels
from app.errors import ProblemError
from app.images.reader import Reading

LENGTHS = struct.Struct("!II")
"""A message begins with the lengths of its head and of its body."""

MAX_HEAD_BYTES = 1 << 16
"""Bytes of an answer's head that are received."""

Head = tuple[Any, ...]
"""To the worker: `(number, geometry, lengths)`, with images of these lengths as body, or none to
warm up.

From the worker: `(number, seconds, answers)`: the CPU time that was taken, and for each image that
there was time for `("reading", size, format, seconds)`, with its pixels in the body, or
`("problem", type, detail, seconds)`.
"""

Outcome = Reading | ProblemError
"""What became of one image."""

_PROBLEMS = {problem.type: problem for problem in ProblemError.__subclasses__()}


def count_bytes(geometry: Geometry) -> int:
    """Count the bytes of a reading's pixels."""
    return math.prod(geometry.shape) * np.dtype(geometry.dtype).itemsize


def pack_message(head: Head, *bodies: bytes) -> list[bytes]:
    """Pack a message into its parts; the bodies follow each other as they are."""
    packed = msgpack.packb(head)
    return [LENGTHS.pack(len(packed), sum(map(len, bodies))), packed, *bodies]


def unpack_head(packed: bytes) -> Head:
    """Unpack the head of a message; raises ConnectionError where it is not one."""
    try:
        head: Head = msgpack.unpackb(packed, use_list=False)
    except ValueError as exc:
        raise ConnectionError("The message is not MessagePack.") from exc
    if not isinstance(head, tuple):
        raise ConnectionError("The message has no head.")
    return head


def unpack_lengths(packed: bytes, geometry: Geometry, images: int) -> tuple[int, int]:
    """Unpack the lengths of an answer; raises ConnectionError where none is so long."""
    head, body = LENGTHS.unpack(packed)
    if head > MAX_HEAD_BYTES or body > images * count_bytes(geometry):
        raise ConnectionError("The answer is too long.")
    return head, body


def unpack_answer(
    head: Head, body: bytes, geometry: Geometry, number: int, images: int
) -> tuple[list[Outcome], float]:
    """Unpack the outcomes of the first images, at least one, and the seconds that they took.

    The geometry, and not the sender, says what the pixels of an image are.

    Raises:
        ConnectionError: the answer is to another message, or none that a worker gives.
    """
    match head:
        case (int() as given, float() as seconds, tuple() as answers):
            is_whole = min(images, 1) <= len(answers) <= images
            if given == number and is_whole and 0 <= seconds < math.inf:
                return list(_unpack_outcomes(answers, body, geometry)), seconds
    raise ConnectionError("The answer is to another message.")


def _unpack_outcomes(
    answers: tuple[Any, ...], body: bytes, geometry: Geometry
) -> Iterator[Outcome]:
    """Unpack the outcome of each image; raises ConnectionError."""
    size, start = count_bytes(geometry), 0
    for answer in answers:
        match answer:
            case ("problem", str() as kind, str() as detail, float() as seconds) if (
                kind in _PROBLEMS and 0 <= seconds < math.inf
            ):
                problem = _PROBLEMS[kind](detail)
                problem.seconds = seconds
                yield problem
            case (
                "reading",
                (int() as width, int() as height),
                str() as image_format,
                float() as seconds,
            ) if start + size <= len(body) and 0 <= seconds < math.inf:
                pixels: Pixels = np.ndarray(geometry.shape, geometry.dtype, body, start)
                start += size
                yield Reading((width, height), image_format, pixels, len(answers), seconds)
            case _:
                raise ConnectionError("The answer is neither a reading nor a problem.")
    if start != len(body):
        raise ConnectionError("The answer has more pixels than readings.")
