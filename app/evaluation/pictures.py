"""Pictures of a report: thumbnails of images, within the limits of the service."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from app.datasets.fetch_queue import Fetch
from app.datasets.picked import look_at
from app.datasets.sample import Sample
from app.errors import ProblemError
from app.images.decoder import ImageDecoder
from app.images.scaled_decoding import Size
from app.limits import GAP, Limits

SIDE = 160
"""Pixels of a thumbnail's longer side, at most."""

QUALITY = 82


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with text.

    Attributes:
        caption: what it is, such as its label.
        note: more, such as its path; empty for none.
        jpeg: its thumbnail; None where it cannot be shown.
    """

    caption: str
    note: str
    jpeg: bytes | None


def show_samples(samples: Sequence[Sample], fetch: Fetch, limits: Limits) -> list[bytes | None]:
    """Make thumbnails of samples, which are read again; None where one is gone, damaged or late."""
    return look_at(samples, fetch, limits.timeout_s, lambda data: make_thumbnail(data, limits))


def make_thumbnail(data: bytes, limits: Limits) -> bytes | None:
    """Make a JPEG of at most SIDE pixels a side; None of what cannot be decoded within limits."""
    try:
        decoded = ImageDecoder(limits.max_bytes, limits.max_pixels, GAP).decode(data, _fit)
    except ProblemError:
        return None
    image = decoded.rgb if decoded.box is None else decoded.rgb.crop(_round(decoded.box))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _fit(size: Size) -> Size:
    """Find the size of a thumbnail."""
    longest = max(size)
    width, height = (max(1, round(edge * SIDE / longest)) for edge in size)
    return (width, height) if longest > SIDE else size


def _round(box: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """Round a box to whole pixels, of which it keeps at least one."""
    left, top, right, bottom = box
    return int(left), int(top), max(int(left) + 1, int(right)), max(int(top) + 1, int(bottom))
