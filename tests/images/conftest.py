"""Keeps what a decoder sets for the whole process from leaking between tests."""

from collections.abc import Iterator

import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _keep_pixel_limit() -> Iterator[None]:
    """Put Pillow's own limit back, which every ImageDecoder replaces."""
    limit = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = limit
