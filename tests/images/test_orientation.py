"""Turning upright costs what the pixels cost, whatever else the EXIF block holds."""

import io
import time

import numpy as np
import pytest
from PIL import Image, ImageOps

from app.images.orientation import turn_upright
from tests.support import samples
from tests.support.bombs import BLOCKS


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_it_gives_what_exif_transpose_gives(form: str, orientation: int) -> None:
    """Pillow's own function gives the same pixels, for the orientations there are and others."""
    data = samples.save_oriented(form, orientation)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    upright = turn_upright(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(np.asarray(upright), np.asarray(expected))


def test_unused_exif_values_are_not_unpacked() -> None:
    """An EXIF block of 64 kB of fractions is no more work than none."""
    data = BLOCKS["JPEG EXIF of 64 kB"]()
    took_s = []
    for _ in range(5):
        image = Image.open(io.BytesIO(data))
        started = time.perf_counter()
        assert turn_upright(image).size == (samples.HEIGHT, samples.WIDTH)
        took_s.append(time.perf_counter() - started)
    assert min(took_s) < 0.01
