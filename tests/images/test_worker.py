"""Messages of the workers, which a hostile image may have written."""

from typing import Any

import msgpack
import numpy as np
import pytest

from app.backend import Geometry
from app.errors import UndecodableImageError
from app.images.worker import (
    LENGTHS,
    MAX_HEAD_BYTES,
    unpack_head,
    unpack_lengths,
    unpack_reading,
)

GEOMETRY = Geometry(size=(1, 2), resize=None, resample=2, crop=False)
PIXELS = bytes(range(6))


def test_a_reading_comes_as_it_was_sent() -> None:
    """Its pixels have the dtype of the geometry."""
    reading = unpack_reading(("reading", (20, 10), "PNG"), PIXELS, GEOMETRY)
    assert (reading.size, reading.format) == ((20, 10), "PNG")
    assert reading.pixels.dtype == np.uint8
    assert reading.pixels.tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_a_problem_is_raised_as_it_was_sent() -> None:
    """By its type and with its detail."""
    with pytest.raises(UndecodableImageError, match=r"^cut$"):
        unpack_reading(("problem", "undecodable-image", "cut"), b"", GEOMETRY)


@pytest.mark.parametrize(
    ("answer", "pixels"),
    [
        ((), PIXELS),
        (("problem", "no-such-problem", "detail"), PIXELS),
        (("problem", "undecodable-image", 1), PIXELS),
        (("reading", (20, 10), "PNG", (-1, 2, 3)), PIXELS),
        (("reading", (20, 10), "PNG"), PIXELS[1:]),
        (("reading", (20, 10), "PNG"), PIXELS * 2),
        (("reading", (20, 10), 1), PIXELS),
        (("reading", (20,), "PNG"), PIXELS),
    ],
)
def test_a_forged_answer_is_refused(answer: tuple[Any, ...], pixels: bytes) -> None:
    """It ends the worker, as a broken connection does; other images are not scored with it."""
    with pytest.raises(ConnectionError):
        unpack_reading(answer, pixels, GEOMETRY)


@pytest.mark.parametrize("lengths", [(MAX_HEAD_BYTES + 1, 6), (1, 7), (1, 2**32 - 1)])
def test_an_answer_that_is_too_long_is_not_received(lengths: tuple[int, int]) -> None:
    """Its head says so before it comes."""
    assert unpack_lengths(LENGTHS.pack(MAX_HEAD_BYTES, 6), GEOMETRY) == (MAX_HEAD_BYTES, 6)
    with pytest.raises(ConnectionError):
        unpack_lengths(LENGTHS.pack(*lengths), GEOMETRY)


@pytest.mark.parametrize(
    "packed", [b"", b"\xc1", b"\x93\x01", msgpack.packb({"a": 1}), b"\x01\x01"]
)
def test_a_head_that_is_no_tuple_is_refused(packed: bytes) -> None:
    """Garbage is told from a message."""
    with pytest.raises(ConnectionError):
        unpack_head(packed)
