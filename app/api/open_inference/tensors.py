"""Tensors as values: read from raw bytes or from lists, and written as raw bytes.

Raw is how the protocol's binary data extension and gRPC's raw contents have them: little-endian,
row by row, each element of BYTES behind its length in 4 bytes. Nothing is allocated by a shape
that a client announces: it is compared with what has come.
"""

import math
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard, get_args

import numpy as np
from numpy.typing import NDArray

from app.errors import InvalidRequestError, PayloadTooLargeError
from schemas import MAX_DIMENSIONS, Datatype

MAX_ELEMENTS = 1024
"""Elements of a BYTES tensor, whatever `VITRINE_MAX_BULK` says: each takes a step of Python."""

MAX_VALUES = 500_000
"""Values that come one by one, in JSON or in typed contents. Parsing them blocks the event loop:
0.07 s for so many numbers, 0.3 s for so many lists of JSON."""

MAX_DIMENSION_SIZE = 2**31 - 1
"""Largest size of a dimension."""

_LENGTH = struct.Struct("<I")
_DTYPES: Final[dict[str, np.dtype[Any]]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}

Data = list[bytes] | NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor.

    Attributes:
        name: of the input or output.
        datatype: what its elements are.
        shape: its dimensions.
        data: elements of BYTES row by row, or an array of this shape.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    data: Data


def read_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes | memoryview) -> Tensor:
    """Read a tensor from its raw bytes, which numbers share.

    Raises:
        InvalidRequestError: the datatype is unknown, or its shape and bytes do not fit each other.
    """
    kind, count = _check(datatype, shape)
    if kind == "BYTES":
        return Tensor(name, kind, tuple(shape), _split(memoryview(raw), count))
    dtype = _DTYPES[kind]
    if len(raw) != count * dtype.itemsize:
        message = f"{_describe(kind, shape)} has {count * dtype.itemsize} bytes, not {len(raw)}."
        raise InvalidRequestError(message)
    return Tensor(name, kind, tuple(shape), np.frombuffer(raw, dtype).reshape(shape))


def read_values(name: str, datatype: str, shape: Sequence[int], values: Sequence[Any]) -> Tensor:
    """Read a tensor from a flat list: of bytes for BYTES, else of numbers.

    Raises:
        InvalidRequestError: the datatype is unknown, or does not fit the values, or the shape.
        PayloadTooLargeError: there are too many of them.
    """
    check_count(datatype, shape, len(values))
    if len(values) > MAX_VALUES:
        message = f"The tensor has more than {MAX_VALUES} values. Send its raw bytes."
        raise PayloadTooLargeError(message)
    kind, _ = _check(datatype, shape)
    try:
        if kind == "BYTES":
            return Tensor(name, kind, tuple(shape), [bytes(memoryview(value)) for value in values])
        raw = bytes(values) if kind == "UINT8" else array("f", values)
    except (TypeError, ValueError, OverflowError) as exc:
        message = f"The data of a {kind} tensor hold something else: {exc}."
        raise InvalidRequestError(message) from exc
    dtype = np.uint8 if kind == "UINT8" else np.float32
    return Tensor(name, kind, tuple(shape), np.frombuffer(raw, dtype).reshape(shape))


def check_count(datatype: str, shape: Sequence[int], given: int) -> None:
    """Refuse a tensor by how many elements are given; raises InvalidRequestError."""
    kind, count = _check(datatype, shape)
    if given != count:
        message = f"{_describe(kind, shape)} has {count} elements, not {given}."
        raise InvalidRequestError(message)


def write_raw(tensor: Tensor) -> bytes:
    """Write a tensor's raw bytes."""
    if isinstance(tensor.data, list):
        return b"".join(_LENGTH.pack(len(element)) + element for element in tensor.data)
    return tensor.data.astype(_DTYPES[tensor.datatype], copy=False).tobytes()


def _check(datatype: str, shape: Sequence[int]) -> tuple[Datatype, int]:
    """Check what is said of a tensor; gives its datatype, and how many elements it must have."""
    if not _is_known(datatype):
        known = ", ".join(get_args(Datatype))
        raise InvalidRequestError(f"The datatype of a tensor is one of {known} here.")
    if not 1 <= len(shape) <= MAX_DIMENSIONS:
        message = f"A tensor has 1 to {MAX_DIMENSIONS} dimensions here, not {len(shape)}."
        raise InvalidRequestError(message)
    if not all(1 <= dimension <= MAX_DIMENSION_SIZE for dimension in shape):
        raise InvalidRequestError(f"Each dimension of a tensor is 1 to {MAX_DIMENSION_SIZE}.")
    count = math.prod(shape)
    if datatype == "BYTES" and count > MAX_ELEMENTS:
        message = f"A BYTES tensor has at most {MAX_ELEMENTS} elements here, not {count}."
        raise InvalidRequestError(message)
    return datatype, count


def _is_known(datatype: str) -> TypeGuard[Datatype]:
    """Tell whether a datatype is read here."""
    return datatype in get_args(Datatype)


def _split(raw: memoryview, count: int) -> list[bytes]:
    """Split raw bytes into `count` elements, each behind its length."""
    elements: list[bytes] = []
    start = 0
    for index in range(count):
        if len(raw) - start < _LENGTH.size:
            raise InvalidRequestError(f"The bytes end before element {index} of {count}.")
        (length,) = _LENGTH.unpack_from(raw, start)
        start += _LENGTH.size
        if length > len(raw) - start:
            message = f"Element {index} has {length} bytes, but {len(raw) - start} follow."
            raise InvalidRequestError(message)
        elements.append(bytes(raw[start : start + length]))
        start += length
    if start != len(raw):
        raise InvalidRequestError(f"{len(raw) - start} bytes follow the last of {count} elements.")
    return elements


def _describe(datatype: str, shape: Sequence[int]) -> str:
    """Describe a tensor for a message."""
    return f"A {datatype} tensor of shape {list(shape)}"
