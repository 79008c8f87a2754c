"""From bytes of unknown origin to an upright RGB image within limits.

The result equals transformers' `load_image`: EXIF turn, then conversion to RGB, first frame of an
animation. What a file is, its content says; its name and Content-Type are not looked at.
"""

import struct
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from app.errors import (
    ImageTooLargeError,
    PayloadTooLargeError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
)
from app.prediction.media import name_media_type

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""The Pillow plugins that may run. Several JPEGs in one file (MPO) are read as a JPEG."""

QUICK_BYTES = 16 * 1024
QUICK_EDGES = (16, 128)
"""An image within both is read in some tenths of a millisecond, about what a thread's hop costs.

Its shortest edge counts too: a thin image would be enlarged to a huge one by some processors.
"""

_SERVED = "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF"

_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What Pillow's readers raise on hostile content, beside the errors that it documents."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright RGB image and what it was.

    Attributes:
        rgb: Pillow image of mode RGB.
        format: one of FORMATS.
    """

    rgb: Image.Image
    format: str


class ImageDecoder:
    """Decodes images within limits.

    Args:
        max_bytes: largest encoded image, in bytes.
        max_pixels: largest image, in pixels, as the header tells it and so before decoding. It
            takes the place of Pillow's own limit, which would only warn at first.
    """

    def __init__(self, max_bytes: int, max_pixels: int) -> None:
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        Image.MAX_IMAGE_PIXELS = max_pixels
        # Pillow warns of hostile content in words that hold its numbers: each new text would be
        # printed and kept for good. What matters is refused, see _check_size.
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def decode(self, data: bytes) -> DecodedImage:
        """Decode one image.

        Raises:
            PayloadTooLargeError: more bytes than the limit.
            UnsupportedMediaTypeError: the content is not one of FORMATS.
            ImageTooLargeError: more pixels than the limit.
            UndecodableImageError: empty, truncated or corrupt.
        """
        if len(data) > self._max_bytes:
            message = f"The image has {len(data)} bytes; at most {self._max_bytes} are read."
            raise PayloadTooLargeError(message)
        if not data:
            raise UndecodableImageError("The image is empty: send the bytes of an image file.")
        try:
            with self._open(data) as image:
                self._check_size(image.size)
                return DecodedImage(_to_upright_rgb(image), _name_format(image))
        except Image.DecompressionBombError as exc:
            message = f"The image has more pixels than the limit of {self._max_pixels}."
            raise ImageTooLargeError(message) from exc
        except _BROKEN as exc:
            message = "The image cannot be decoded: it is truncated or corrupt."
            raise UndecodableImageError(message) from exc

    def is_quick(self, data: bytes) -> bool:
        """Tell by the header whether `data` decodes in less time than a thread costs."""
        if len(data) > QUICK_BYTES:
            return False
        try:
            with Image.open(BytesIO(data), formats=FORMATS) as image:
                return QUICK_EDGES[0] <= min(image.size) and max(image.size) <= QUICK_EDGES[1]
        except (Image.DecompressionBombError, *_BROKEN):
            return False

    def _open(self, data: bytes) -> Image.Image:
        """Read the header, with the plugins of FORMATS alone."""
        try:
            return Image.open(BytesIO(data), formats=FORMATS)
        except UnidentifiedImageError as exc:
            media_type = name_media_type(data)
            if media_type.startswith("image/") and media_type[6:].upper() in FORMATS:
                message = f"The content starts as {media_type} but its header is corrupt."
                raise UndecodableImageError(message) from exc
            message = f"The content looks like {media_type}; {_SERVED} are served."
            raise UnsupportedMediaTypeError(message) from exc

    def _check_size(self, size: tuple[int, int]) -> None:
        """Refuse more pixels than the limit, by the header."""
        width, height = size
        if width * height > self._max_pixels:
            message = (
                f"The image has {width} x {height} = {width * height} pixels; "
                f"at most {self._max_pixels} are decoded. Send a smaller image."
            )
            raise ImageTooLargeError(message)


def _to_upright_rgb(image: Image.Image) -> Image.Image:
    """Turn as EXIF says and convert to RGB, as `load_image` does, with no needless copy."""
    ImageOps.exif_transpose(image, in_place=True)
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


def _name_format(image: Image.Image) -> str:
    """Name the format; several JPEGs in one file (MPO) are a JPEG with more behind it."""
    return "JPEG" if image.format == "MPO" else str(image.format)
