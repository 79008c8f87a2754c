"""Messages of the workers, which a hostile image may have written."""

from typing import Any

import msgpack
import numpy as np
import pytest

from app.backend import Geometry
from app.errors import UndecodableImageError
from app.images.reader import Reading
from app.images.workers.messages import (
    LENGTHS,
    MAX_HEAD_BYTES,
    unpack_answer,
    unpack_head,
    unpack_lengths,
)

GEOMETRY = Geometry(size=(1, 2), resize=None, resample=2, crop=False)
PIXELS = bytes(range(6))
READING = ("reading", (20, 10), "PNG", 0.25)
PROBLEM = ("problem", "undecodable-image", "cut", 0.125)


def test_each_image_has_what_was_sent_for_it() -> None:
    """Pixels have the dtype of the geometry, problems their type and detail; order is kept."""
    head = (7, 0.5, (READING, PROBLEM, ("reading", (3, 4), "GIF", 0.0)))
    outcomes, seconds = unpack_answer(head, PIXELS + PIXELS[::-1], GEOMETRY, 7, 3)
    first, problem, last = outcomes
    assert seconds == 0.5
    assert isinstance(first, Reading)
    assert (first.size, first.format, first.group_size) == ((20, 10), "PNG", 3)
    assert (first.seconds, problem.seconds) == (0.25, 0.125)
    assert first.pixels.dtype == np.uint8
    assert first.pixels.tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert isinstance(problem, UndecodableImageError)
    assert str(problem) == "cut"
    assert isinstance(last, Reading)
    assert last.pixels.tolist() == [[[5, 4, 3], [2, 1, 0]]]


@pytest.mark.parametrize(
    ("head", "pixels"),
    [
        ((), b""),
        ((7, 0.5), b""),
        ((8, 0.5, (READING,)), PIXELS),
        (("7", 0.5, (READING,)), PIXELS),
        ((7, -0.5, (READING,)), PIXELS),
        ((7, float("inf"), (READING,)), PIXELS),
        ((7, float("nan"), (READING,)), PIXELS),
        ((7, 0.5, ()), b""),
        ((7, 0.5, (READING, READING)), PIXELS * 2),
        ((7, 0.5, "r"), PIXELS),
        ((7, 0.5, ((),)), PIXELS),
        ((7, 0.5, (("problem", "no-such-problem", "detail", 0.0),)), b""),
        ((7, 0.5, (("problem", "undecodable-image", 1, 0.0),)), b""),
        ((7, 0.5, (PROBLEM,)), PIXELS),
        ((7, 0.5, ((*READING, (-1, 2, 3)),)), PIXELS),
        ((7, 0.5, (READING,)), PIXELS[1:]),
        ((7, 0.5, (READING,)), PIXELS * 2),
        ((7, 0.5, (("reading", (20, 10), 1, 0.0),)), PIXELS),
        ((7, 0.5, (("reading", (20,), "PNG", 0.0),)), PIXELS),
        ((7, 0.5, (READING[:3],)), PIXELS),
        ((7, 0.5, ((*READING[:3], "0.0"),)), PIXELS),
        ((7, 0.5, ((*READING[:3], -0.5),)), PIXELS),
        ((7, 0.5, ((*PROBLEM[:3], float("nan")),)), b""),
    ],
)
def test_a_forged_answer_is_refused(head: tuple[Any, ...], pixels: bytes) -> None:
    """It ends the worker, as a broken connection does; other images are not scored with it."""
    with pytest.raises(ConnectionError):
        unpack_answer(head, pixels, GEOMETRY, 7, 1)


@pytest.mark.parametrize("lengths", [(MAX_HEAD_BYTES + 1, 6), (1, 13), (1, 2**32 - 1)])
def test_an_answer_that_is_too_long_is_not_received(lengths: tuple[int, int]) -> None:
    """Its head says so before it comes."""
    assert unpack_lengths(LENGTHS.pack(MAX_HEAD_BYTES, 12), GEOMETRY, 2) == (MAX_HEAD_BYTES, 12)
    with pytest.raises(ConnectionError):
        unpack_lengths(LENGTHS.pack(*lengths), GEOMETRY, 2)


@pytest.mark.parametrize(
    "packed", [b"", b"\xc1", b"\x93\x01", msgpack.packb({"a": 1}), b"\x01\x01"]
)
def test_a_head_that_is_no_tuple_is_refused(packed: bytes) -> None:
    """Garbage is told from a message."""
    with pytest.raises(ConnectionError):
        unpack_head(packed)
