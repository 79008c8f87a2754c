"""Drawing a map of relevance over an image, in viridis colours. It knows no model.

The map covers what the model saw, and is more opaque where it is more relevant: what the model did
not use stays visible, and so does what it never saw.
"""

import math
from dataclasses import replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.backend import Pixels
from app.explainer_backend import Explained, Picture
from app.images.geometry import Box

_VIRIDIS = (
    (68, 1, 84),
    (72, 40, 120),
    (62, 74, 137),
    (49, 104, 142),
    (38, 130, 142),
    (31, 158, 137),
    (53, 183, 121),
    (109, 205, 89),
    (180, 222, 44),
    (253, 231, 37),
)
"""Colours of rising relevance, evenly spaced: van der Walt and Smith, 2015; CC0."""

_LEAST = 0.3
"""Opacity of irrelevant parts, as a share of that of the most relevant one."""


def draw_overlay(
    rgb: Image.Image, relevance: NDArray[np.float32], crop: Box | None, opacity: float
) -> Image.Image:
    """Draw a map over an image.

    Args:
        rgb: the upright image, mode RGB; it is left as it is.
        relevance: `[rows, columns]`, 0 to 1.
        crop: what the map covers; None if that is not known: the whole image.
        opacity: of the most relevant part, 0 to 1.

    Returns:
        An image of the same size.
    """
    drawn = rgb.copy()
    left, top, width, height = crop or (0.0, 0.0, *map(float, rgb.size))
    right, bottom = min(rgb.width, left + width), min(rgb.height, top + height)
    start = (max(0, math.floor(left)), max(0, math.floor(top)))
    end = (math.ceil(right), math.ceil(bottom))
    rows, columns = relevance.shape
    box = (
        (max(0.0, left) - left) / width * columns,
        (max(0.0, top) - top) / height * rows,
        (right - left) / width * columns,
        (bottom - top) / height * rows,
    )
    levels = Image.fromarray((relevance.clip(0, 1) * 255).round().astype(np.uint8))
    size = (end[0] - start[0], end[1] - start[1])
    smooth = levels.resize(size, Image.Resampling.BICUBIC, box)
    alpha = [round(255 * opacity * (_LEAST + (1 - _LEAST) * level / 255)) for level in range(256)]
    mask = smooth.point(alpha)
    smooth.putpalette(_make_palette())
    drawn.paste(smooth.convert("RGB"), start, mask)
    return drawn


def draw_map(explained: Explained, picture: Picture | None) -> Explained:
    """Add a PNG of the picture with the first map over it, if there are both."""
    if picture is None or not len(explained.relevance):
        return explained
    image = Image.fromarray(np.asarray(picture.pixels, np.uint8))
    drawn = draw_overlay(image, explained.relevance[0], picture.crop, picture.opacity)
    return replace(explained, png=_encode(drawn))


def encode_png(pixels: Pixels) -> bytes:
    """Encode pixels `[height, width, 3]`, uint8, as a PNG."""
    return _encode(Image.fromarray(np.asarray(pixels, np.uint8)))


def _encode(image: Image.Image) -> bytes:
    """Encode an image as a PNG."""
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _make_palette() -> list[int]:
    """Make the 256 colours, three numbers each."""
    anchors = np.linspace(0, 255, len(_VIRIDIS))
    channels = [np.interp(range(256), anchors, channel) for channel in zip(*_VIRIDIS, strict=True)]
    return [round(float(value)) for colour in zip(*channels, strict=True) for value in colour]
