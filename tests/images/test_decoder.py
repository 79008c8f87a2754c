"""Decoded images equal those of transformers' load_image: format by format, mode by mode."""

import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from transformers.image_utils import load_image

from app.errors import UndecodableImageError
from app.images.decoder import DecodedImage, ImageDecoder
from app.images.formats import FORMATS
from tests.support import forgeries, samples

_ORIENTATIONS = range(1, 9)
_STILL = [name for name in samples.NAMES if not {"animated", "pages"} & set(name.split())]


def decode(data: bytes) -> DecodedImage:
    """Decode with generous limits."""
    return ImageDecoder(max_bytes=10_000_000, max_pixels=1_000_000).decode(data)


def load_theirs(data: bytes) -> NDArray[np.uint8]:
    """Read an image with transformers, whatever Pillow warns of; gives `[height, width, 3]`."""
    with warnings.catch_warnings(action="ignore"):
        return np.asarray(load_image(Image.open(io.BytesIO(data))))


def assert_equals_theirs(data: bytes) -> DecodedImage:
    """Hold an image against load_image: the same pixels, or no image in either."""
    decoded = decode(data)
    assert decoded.rgb.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(decoded.rgb), load_theirs(data))
    return decoded


@pytest.mark.parametrize("name", samples.NAMES)
def test_each_format_and_mode_equals_load_image(name: str) -> None:
    """Whatever the format and the colour mode, pixels are those the pipeline would see."""
    decoded = assert_equals_theirs(samples.encode(name))
    assert decoded.rgb.size == (samples.WIDTH, samples.HEIGHT)
    assert decoded.format == samples.name_format(name)


def test_the_samples_cover_every_format_and_mode() -> None:
    """The samples are of every format served, and Pillow reads them in all their modes."""
    modes = {Image.open(io.BytesIO(samples.encode(name))).mode for name in samples.NAMES}
    assert set(samples.FORMATS) == set(FORMATS)
    assert modes >= {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"}
    assert modes >= {"I", "I;16", "I;16B", "F"}


@pytest.mark.parametrize("name", ["PNG RGB", "TIFF RGB", "BMP RGB", "WEBP lossless"])
def test_a_lossless_image_keeps_its_pixels(name: str) -> None:
    """What was drawn is what is decoded."""
    expected = np.asarray(samples.draw("RGB"))
    np.testing.assert_array_equal(np.asarray(decode(samples.encode(name)).rgb), expected)


@pytest.mark.parametrize("orientation", _ORIENTATIONS)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_image_is_turned_as_its_exif_says(file_format: str, orientation: int) -> None:
    """All eight orientations are turned upright, in each format that has EXIF."""
    decoded = assert_equals_theirs(samples.save_oriented(file_format, orientation))
    is_turned = orientation >= 5
    upright = (samples.HEIGHT, samples.WIDTH) if is_turned else (samples.WIDTH, samples.HEIGHT)
    assert decoded.rgb.size == upright


@pytest.mark.parametrize("orientation", _ORIENTATIONS)
def test_a_turn_moves_pixels_as_exif_defines(orientation: int) -> None:
    """Turned back by Pillow's own rule, a lossless image is what was drawn."""
    drawn = samples.draw("RGB")
    drawn.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(drawn))
    decoded = decode(samples.save_oriented("PNG", orientation))
    np.testing.assert_array_equal(np.asarray(decoded.rgb), expected)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_an_image_is_turned_in_every_mode(mode: str) -> None:
    """A turn comes before the conversion to RGB, and equals load_image in every mode."""
    for orientation in _ORIENTATIONS:
        assert_equals_theirs(samples.save_oriented("PNG", orientation, mode))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(orientation: int) -> None:
    """A value that EXIF does not define leaves the image as it is."""
    decoded = assert_equals_theirs(samples.save_oriented("JPEG", orientation))
    assert decoded.rgb.size == (samples.WIDTH, samples.HEIGHT)


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF", "TIFF", "MPO"])
def test_of_several_frames_the_first_counts(name: str) -> None:
    """Of an animation, of pages and of several pictures, the first one is classified."""
    sizes = [(samples.WIDTH, samples.HEIGHT)] * 3
    alone, several = samples.save_frames(name, sizes[0]), samples.save_frames(name, *sizes)
    assert len(several) > len(alone)
    drawn = np.asarray(samples.draw("RGB"), np.float64)
    decoded = np.asarray(assert_equals_theirs(several).rgb, np.float64)
    other = np.asarray(samples.draw("RGB", seed=1), np.float64)
    assert np.abs(decoded - drawn).mean() < np.abs(decoded - other).mean()


@pytest.mark.parametrize("file_format", samples.FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1)])
def test_the_smallest_images_are_images(file_format: str, size: tuple[int, int]) -> None:
    """One pixel, one row and one column are decoded like any other image."""
    decoded = assert_equals_theirs(samples.save(samples.draw(size=size), file_format))
    assert decoded.rgb.size == size


@pytest.mark.parametrize("name", samples.NAMES)
def test_what_lies_behind_an_image_does_not_count(name: str) -> None:
    """Bytes after the end of an image do not change it."""
    data = samples.encode(name)
    longer = decode(data + b"<script>" + bytes(100))
    np.testing.assert_array_equal(np.asarray(longer.rgb), np.asarray(decode(data).rgb))


@pytest.mark.parametrize("forge", forgeries.LENIENT.values(), ids=forgeries.LENIENT)
def test_a_size_that_lies_is_taken_as_load_image_takes_it(forge: Callable[[], bytes]) -> None:
    """Where the format's library makes something of a wrong size, we do the same."""
    assert_equals_theirs(forge())


def test_a_frame_larger_than_a_gif_says_is_taken_whole() -> None:
    """The size is that of the frame, as in load_image, when the GIF's own is too small."""
    data = samples.encode("GIF P")
    assert data[6:10] == bytes([samples.WIDTH, 0, samples.HEIGHT, 0])
    decoded = assert_equals_theirs(data[:6] + bytes([4, 0, 3, 0]) + data[10:])
    assert decoded.rgb.size == (samples.WIDTH, samples.HEIGHT)


@pytest.mark.parametrize("name", _STILL)
def test_half_an_image_equals_load_image_or_is_refused(name: str) -> None:
    """Where load_image raises on half a file so do we; where it reads a picture we read it too."""
    half = samples.encode(name)[: len(samples.encode(name)) // 2]
    try:
        expected = load_theirs(half)
    except (OSError, ValueError, SyntaxError):
        with pytest.raises(UndecodableImageError):
            decode(half)
        return
    np.testing.assert_array_equal(np.asarray(decode(half).rgb), expected)


def test_the_result_is_at_rest() -> None:
    """A decoded image needs its bytes no more and is not turned a second time."""
    decoded = decode(samples.save_oriented("JPEG", 6))
    before = np.asarray(decoded.rgb).copy()
    decoded.rgb.load()
    np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(decoded.rgb)), before)
