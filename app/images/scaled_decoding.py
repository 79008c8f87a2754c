"""Scaled decoding: a JPEG far larger than the model's size is decoded at 1/2, 1/4 or 1/8.

libjpeg computes the smaller image from the lower frequencies of each block, which saves most of
the time of a large photograph. Its pixels differ slightly: docs/scaled-decoding.md.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from PIL import ExifTags, Image

Size = tuple[int, int]
"""Width and height, as Pillow has them."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

Edge = TypeVar("Edge", int, float)

FindTarget = Callable[[Size], Size | None]
"""Finds the size that an image is resized to; None if it must be decoded exactly."""

_TURNED = (5, 6, 7, 8)
_FROM_RIGHT = (2, 3, 6, 7)
_FROM_BOTTOM = (3, 4, 7, 8)
"""EXIF orientations that swap the edges, or start at the right or bottom."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The original of a scaled image.

    Attributes:
        size: width and height of the original, upright.
        box: the part of the scaled, upright image that the original covers. libjpeg rounds edges
            up, so the last row and column exceed it by less than a pixel.
    """

    size: Size
    box: Box


def draft_image(
    image: Image.Image, find_target: FindTarget | None, gap: float | None
) -> Draft | None:
    """Set an opened image to be decoded smaller; None if it will be decoded at its full size.

    Raises:
        ImageTooLargeError: `find_target` refuses the size.
    """
    if find_target is None or gap is None or image.format not in {"JPEG", "MPO"}:
        return None
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    size, upright = image.size, _turn(image.size, orientation)
    target = find_target(upright)
    if target is None:
        return None
    width, height = _turn(target, orientation)
    drafted = image.draft(None, (math.ceil(gap * width), math.ceil(gap * height)))
    if drafted is None or image.size == size:
        return None
    _, (_, _, right, bottom) = drafted
    covered = _turn((right, bottom), orientation)
    return Draft(upright, _find_box(_turn(image.size, orientation), covered, orientation))


def _turn(edges: tuple[Edge, Edge], orientation: int) -> tuple[Edge, Edge]:
    """Swap the edges if the orientation does."""
    return edges[::-1] if orientation in _TURNED else edges


def _find_box(size: Size, covered: tuple[float, float], orientation: int) -> Box:
    """Find the covered box of an upright image of `size`; stored, it starts left and top."""
    left = size[0] - covered[0] if orientation in _FROM_RIGHT else 0.0
    top = size[1] - covered[1] if orientation in _FROM_BOTTOM else 0.0
    return left, top, left + covered[0], top + covered[1]
