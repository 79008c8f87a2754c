"""Tensors: what goes in comes out, and what is said of one is compared with what has come."""

import struct
import tracemalloc
from typing import Any, Final

import numpy as np
import pytest

from app.api.open_inference.tensors import (
    MAX_DIMENSION_SIZE,
    MAX_ELEMENTS,
    Tensor,
    read_raw,
    read_values,
    write_raw,
)
from app.errors import InvalidRequestError

HUGE: Final[dict[str, tuple[int, ...]]] = {
    "no dimension": (),
    "many dimensions": (1,) * 5,
    "a million dimensions": (1,) * 1_000_000,
    "zero": (0,),
    "zero beside a huge one": (MAX_DIMENSION_SIZE, 0, 1, 1),
    "negative": (-1,),
    "two negative ones": (-1, -8, 1, 1),
    "more than memory": (MAX_DIMENSION_SIZE,) * 4,
    "beyond 64 bits": (2**64 + 8,),
    "wraps round to 8": (2**61 + 1, 8),
    "beyond any text": (10**5000,),
}
"""Shapes that announce what no 8 bytes are."""


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor("a", "BYTES", (3,), [b"", b"one", bytes(range(256))]),
        Tensor("a", "BYTES", (2, 1), [b"x", b"y"]),
        Tensor("a", "UINT8", (2, 1, 2), np.array([[[0, 1]], [[254, 255]]], np.uint8)),
        Tensor("a", "FP32", (3,), np.array([-0.0, 1e-45, np.inf], np.float32)),
    ],
    ids=["BYTES", "a column of BYTES", "UINT8", "FP32"],
)
def test_what_is_written_is_read_again(tensor: Tensor) -> None:
    """As raw bytes, from any offset in a body."""
    raw = write_raw(tensor)
    for given in (raw, memoryview(b"." + raw)[1:]):
        read = read_raw(tensor.name, tensor.datatype, tensor.shape, given)
        assert (read.name, read.datatype, read.shape) == ("a", tensor.datatype, tensor.shape)
        if isinstance(tensor.data, list):
            assert read.data == tensor.data
        else:
            np.testing.assert_array_equal(np.asarray(read.data), tensor.data, strict=True)


def test_raw_bytes_are_little_endian() -> None:
    """Lengths and numbers, as the protocol has them."""
    assert write_raw(Tensor("a", "BYTES", (1,), [b"ab"])) == b"\x02\0\0\0ab"
    assert write_raw(Tensor("a", "FP32", (1,), np.ones(1, np.float32))) == b"\0\0\x80\x3f"
    assert np.asarray(read_raw("a", "FP32", [1], b"\0\0\x80\x3f").data).tolist() == [1.0]


def test_lists_are_read_as_raw_bytes_are() -> None:
    """Flat ones, of bytes or of numbers."""
    assert read_values("a", "BYTES", [2], [b"x", b""]).data == [b"x", b""]
    for datatype, values in (("UINT8", [0, 7, 255, 1]), ("FP32", [0, 0.5, 1.0, 1e-3])):
        data = np.asarray(read_values("a", datatype, [2, 2], values).data)
        np.testing.assert_array_equal(data, np.reshape(values, (2, 2)).astype(data.dtype))


@pytest.mark.parametrize("shape", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("datatype", ["BYTES", "UINT8", "FP32"])
def test_a_shape_that_lies_costs_nothing(datatype: str, shape: tuple[int, ...]) -> None:
    """It is refused before anything of its size is made, in few words."""
    tracemalloc.start()
    try:
        for read in (read_raw, read_values):
            with pytest.raises(InvalidRequestError) as caught:
                read("a", datatype, shape, bytes(8))
            assert len(str(caught.value)) < 200
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("datatype", ["", "FP16", "INT64", "bytes", "STRING", "\0"])
def test_an_unknown_datatype_is_refused(datatype: str) -> None:
    """The message lists those that are known."""
    for read in (read_raw, read_values):
        with pytest.raises(InvalidRequestError, match="BYTES, UINT8, FP32"):
            read("a", datatype, [8], bytes(8))


@pytest.mark.parametrize(
    ("datatype", "shape", "size"),
    [("UINT8", [3], 2), ("UINT8", [3], 4), ("UINT8", [1], 0), ("FP32", [2], 2), ("FP32", [2], 7)],
)
def test_numbers_that_do_not_fill_their_shape_are_refused(
    datatype: str, shape: list[int], size: int
) -> None:
    """The message says how many bytes there must be, and how many there are."""
    with pytest.raises(InvalidRequestError, match=f"not {size}"):
        read_raw("a", datatype, shape, bytes(size))


@pytest.mark.parametrize(
    ("raw", "count", "said"),
    [
        (b"", 1, "end before element 0"),
        (b"\0\0\0", 1, "end before element 0"),
        (b"\x02\0\0\0ab", 2, "end before element 1"),
        (b"\x02\0\0\0a", 1, "Element 0 has 2 bytes, but 1 follow"),
        (b"\xff\xff\xff\xff", 1, "4294967295"),
        (b"\x01\0\0\0ab", 1, "1 bytes follow the last"),
        (b"\0\0\0\0" * 3, 2, "4 bytes follow the last"),
    ],
)
def test_elements_that_are_cut_short_or_long_are_refused(raw: bytes, count: int, said: str) -> None:
    """The message says where."""
    with pytest.raises(InvalidRequestError, match=said):
        read_raw("a", "BYTES", [count], raw)


def test_empty_elements_are_bounded_in_number() -> None:
    """Four bytes each, they would come by the million."""
    raw = struct.pack("<I", 0) * (MAX_ELEMENTS + 1)
    with pytest.raises(InvalidRequestError, match=str(MAX_ELEMENTS)):
        read_raw("a", "BYTES", [MAX_ELEMENTS + 1], raw)
    assert read_raw("a", "BYTES", [MAX_ELEMENTS], raw[4:]).data == [b""] * MAX_ELEMENTS


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("UINT8", -1),
        ("UINT8", 256),
        ("UINT8", 0.5),
        ("UINT8", "1"),
        ("UINT8", None),
        ("UINT8", [1]),
        ("FP32", "1"),
        ("FP32", None),
        ("FP32", [1]),
        ("FP32", {}),
        ("FP32", 10**400),
        ("BYTES", "text"),
        ("BYTES", 7),
        ("BYTES", None),
    ],
)
def test_values_of_another_kind_are_refused(datatype: str, value: Any) -> None:  # noqa: ANN401 - of any
    """Whatever they are, the message names the datatype."""
    with pytest.raises(InvalidRequestError, match=datatype):
        read_values("a", datatype, [1], [value])
