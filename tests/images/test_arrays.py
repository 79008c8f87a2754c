"""Images as arrays."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.backend import Geometry
from app.errors import InvalidRequestError
from app.images.arrays import check_pixels, encode_array, encode_image
from app.images.decoder import DecodedImage, ImageDecoder


def decode(data: bytes) -> DecodedImage:
    """Decode an image."""
    return ImageDecoder(max_bytes=1_000_000, max_pixels=1_000_000).decode(data)


def make_array(height: int, width: int) -> NDArray[np.uint8]:
    """Make a random image, every run the same."""
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (64, 64), (17, 250)])
def test_an_array_of_bytes_comes_out_as_it_went_in(size: tuple[int, int]) -> None:
    """Rows of any width, red first."""
    array = make_array(*size)
    decoded = decode(encode_array(array))
    assert decoded.format == "BMP"
    assert np.array_equal(np.asarray(decoded.rgb), array)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_1_are_the_same_image(dtype: type[np.floating]) -> None:
    """Each of the 256 values has its float, in every precision."""
    array = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    floats = (array / 255).astype(dtype)
    assert np.array_equal(np.asarray(decode(encode_array(floats)).rgb), array)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((4, 4), np.uint8), "[height, width, 3]"),
        (np.zeros((1, 4, 4, 3), np.uint8), "[height, width, 3]"),
        (np.zeros((4, 4, 4), np.uint8), "[height, width, 3]"),
        (np.zeros((0, 4, 3), np.uint8), "[height, width, 3]"),
        (np.zeros((4, 4, 3), np.int64), "uint8"),
        (np.zeros((4, 4, 3), np.bool_), "uint8"),
        (np.full((4, 4, 3), 1.5, np.float32), "from 0 to 1"),
        (np.full((4, 4, 3), -0.1, np.float32), "from 0 to 1"),
        (np.full((4, 4, 3), np.nan, np.float32), "from 0 to 1"),
        (np.full((4, 4, 3), np.inf, np.float32), "from 0 to 1"),
    ],
)
def test_what_is_no_image_is_refused(array: NDArray[np.generic], said: str) -> None:
    """The message says what an array must be."""
    with pytest.raises(InvalidRequestError) as caught:
        encode_array(array)
    assert said in str(caught.value)


def test_a_processor_that_runs_as_it_is_gives_floats() -> None:
    """Pixels are float32 then, and uint8 with any other."""
    floats = np.zeros((2, 4, 6, 3), np.float32)
    fallback = Geometry((4, 6), None, 2, crop=False, fallback="{}")
    check_pixels(floats, fallback, max_images=2)
    with pytest.raises(InvalidRequestError, match=r"pixels of float32 .* these are uint8"):
        check_pixels(floats.astype(np.uint8), fallback, max_images=2)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage!!", "no bytes"])
def test_a_pillow_image_with_broken_exif_is_refused(exif: object) -> None:
    """By an error of ours, whatever Pillow raises."""
    image = Image.new("RGB", (4, 4))
    image.info["exif"] = exif
    with pytest.raises(InvalidRequestError):
        encode_image(image)
