"""The images of a tensor."""

import asyncio

import numpy as np
import pytest

from app.api.open_inference.images import list_images
from app.api.open_inference.tensors import Tensor, read_raw
from app.errors import InvalidRequestError
from app.images.decoder import DecodedImage, ImageDecoder


def decode(data: bytes) -> DecodedImage:
    """Decode an image."""
    return ImageDecoder(max_bytes=1_000_000, max_pixels=1_000_000).decode(data)


def make_zeros(datatype: str, shape: tuple[int, ...]) -> Tensor:
    """Make a tensor of zeros, or of empty elements."""
    size = 4 if datatype != "UINT8" else 1
    return read_raw("image", datatype, shape, bytes(size * int(np.prod(shape))))


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_encoded_images_are_taken_as_they_are(shape: tuple[int, ...]) -> None:
    """In a row or in a column."""
    images = [b"a", b"", b"b"]
    reads = list_images(Tensor("image", "BYTES", shape, images), 3)
    assert [asyncio.run(_read(read)) for read in reads] == images


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_arrays_are_images_of_their_values(dtype: type[np.generic]) -> None:
    """Each of them, upright and red first."""
    arrays = np.random.default_rng(7).integers(0, 256, (2, 5, 4, 3), np.uint8)
    given = arrays if dtype is np.uint8 else (arrays / 255).astype(np.float32)
    kind = "UINT8" if dtype is np.uint8 else "FP32"
    reads = list_images(read_raw("image", kind, given.shape, given.tobytes()), 2)
    decoded = [np.asarray(decode(asyncio.run(_read(read))).rgb) for read in reads]
    assert np.array_equal(decoded, arrays)


@pytest.mark.parametrize(
    ("datatype", "shape"),
    [
        ("BYTES", (1, 2)),
        ("BYTES", (1, 1, 1)),
        ("UINT8", (1,)),
        ("UINT8", (8, 8, 3)),
        ("UINT8", (1, 8, 8, 1)),
        ("UINT8", (1, 3, 8, 8)),
        ("FP32", (1, 8, 8, 4)),
        ("FP32", (3, 3)),
    ],
)
def test_another_shape_is_refused(datatype: str, shape: tuple[int, ...]) -> None:
    """The message says what it must be, and what it is."""
    with pytest.raises(InvalidRequestError) as caught:
        list_images(make_zeros(datatype, shape), 8)
    assert str(list(shape)) in str(caught.value)
    assert "[n" in str(caught.value)


@pytest.mark.parametrize(("datatype", "rest"), [("BYTES", ()), ("UINT8", (1, 1, 3))])
def test_too_many_images_are_refused(datatype: str, rest: tuple[int, ...]) -> None:
    """The message says how many may be sent."""
    assert len(list_images(make_zeros(datatype, (4, *rest)), 4)) == 4
    with pytest.raises(InvalidRequestError, match="5 images; send 1 to 4"):
        list_images(make_zeros(datatype, (5, *rest)), 4)


async def _read(read: object) -> bytes:
    """Read an image."""
    assert callable(read)
    data: bytes = await read()
    return data
