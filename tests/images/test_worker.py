"""Messages of the workers, which a hostile image may have written."""

from typing import Any

import msgpack
import numpy as np
import pytest

from app.backend import Geometry
from app.errors import UndecodableImageError
from app.images.worker import unpack_head, unpack_reading

GEOMETRY = Geometry(size=(1, 2), resize=None, resample=2, crop=False)
PIXELS = bytes(range(6))


def test_a_reading_comes_as_it_was_sent() -> None:
    """Its pixels have the dtype of the geometry."""
    reading = unpack_reading(((20, 10), "PNG", (1, 2, 3)), PIXELS, GEOMETRY)
    assert (reading.size, reading.format) == ((20, 10), "PNG")
    assert reading.pixels.dtype == np.uint8
    assert reading.pixels.tolist() == [[[0, 1, 2], [3, 4, 5]]]


def test_a_problem_is_raised_as_it_was_sent() -> None:
    """By its type and with its detail."""
    with pytest.raises(UndecodableImageError, match=r"^cut$"):
        unpack_reading(("undecodable-image", "cut"), b"", GEOMETRY)


@pytest.mark.parametrize(
    "answer",
    [
        (),
        ("no-such-problem", "detail"),
        ("undecodable-image", 1),
        ((20, 10), "PNG", (1, 2, 3), "|O"),
        ((20, 10), "PNG", (1, 2, 4)),
        ((20, 10), "PNG", (-1, 2, 4)),
        ((20, 10), "PNG", "6"),
        ((20, 10), "PNG", (1.5, 2, 2)),
        ((20,), "PNG", (1, 2, 3)),
    ],
)
def test_a_forged_answer_is_refused(answer: tuple[Any, ...]) -> None:
    """It ends the worker, as a broken connection does; nothing is made of it."""
    with pytest.raises(ConnectionError):
        unpack_reading(answer, PIXELS, GEOMETRY)


@pytest.mark.parametrize(
    "packed", [b"", b"\xc1", b"\x93\x01", msgpack.packb({"a": 1}), b"\x01\x01"]
)
def test_a_head_that_is_no_tuple_is_refused(packed: bytes) -> None:
    """Garbage is told from a message."""
    with pytest.raises(ConnectionError):
        unpack_head(packed)
