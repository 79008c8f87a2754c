"""Decoding untrusted bytes to an upright RGB image within limits.

The result equals that of transformers' `load_image`: EXIF orientation, then conversion to RGB, the
first frame of an animation. Only scaled decoding (`app.images.scaled_decoding`) differs from it.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image

from app.errors import (
    ImageTooLargeError,
    PayloadTooLargeError,
    UndecodableImageError,
)
from app.images.formats import identify_image, name_format
from app.images.memory_limit import BoundMemory, count_memory, leave_unbounded
from app.images.orientation import turn_upright
from app.images.scaled_decoding import Box, FindTarget, Size, draft_image

PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's readers raise on hostile content, beyond the errors that it documents."""

_WEBP = b"RIFF"
"""Pillow's WebP reader allocates memory for all pixels before it reports how many there are."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright RGB image.

    Attributes:
        rgb: Pillow image of mode RGB.
        format: one of `app.images.formats.FORMATS`, or HEIF.
        size: width and height of the image that was sent, upright.
        box: the part of `rgb` that the image covers, if it was decoded smaller.
    """

    rgb: Image.Image
    format: str
    size: Size
    box: Box | None = None


class ImageDecoder:
    """Decodes images within limits.

    Args:
        max_bytes: maximum size of an encoded image.
        max_pixels: maximum number of pixels, checked in the header. It replaces Pillow's own limit,
            which only warns at first.
        gap: how many times larger than needed a JPEG stays when it is decoded smaller; None decodes
            every image exactly.
        bound_memory: limits the memory that decoding may allocate.
    """

    def __init__(
        self,
        max_bytes: int,
        max_pixels: int,
        gap: float | None = None,
        bound_memory: BoundMemory = leave_unbounded,
    ) -> None:
        self._max_bytes = max_bytes
        self._max_pixels = max_pixels
        self._gap = gap
        self._bound_memory = bound_memory
        Image.MAX_IMAGE_PIXELS = max_pixels
        # Pillow's warnings quote numbers of the content: Python would print and keep each new text.
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def open(self, data: bytes) -> Image.Image:
        """Read the header of one image; `decode` reads the rest and closes it.

        Raises:
            PayloadTooLargeError: more bytes than the limit.
            UnsupportedMediaTypeError: the content is in no supported format.
            ImageTooLargeError: more pixels than the limit.
            UndecodableImageError: empty or corrupt.
        """
        if len(data) > self._max_bytes:
            message = f"The image has {len(data)} bytes; at most {self._max_bytes} are read."
            raise PayloadTooLargeError(message)
        if not data:
            raise UndecodableImageError("The image is empty: send the bytes of an image file.")
        pixels = self._max_pixels if data.startswith(_WEBP) else 0
        with self._translate_errors(), self._bound_memory(count_memory(pixels) + 2 * len(data)):
            image = identify_image(data)
        self._check_size(image.size)
        return image

    def decode(
        self, data: bytes | Image.Image, find_target: FindTarget | None = None
    ) -> DecodedImage:
        """Decode one image to upright RGB.

        Args:
            data: the encoded image, or the result of `open`.
            find_target: finds the size that the image will be resized to, so that a JPEG can be
                decoded smaller; None decodes exactly.

        Raises:
            ImageTooLargeError: `find_target` refuses the size.
            UndecodableImageError: truncated or corrupt.
            ProblemError: as `open`.
        """
        image = data if isinstance(data, Image.Image) else self.open(data)
        memory = count_memory(image.width * image.height)
        with self._translate_errors(), self._bound_memory(memory), image:
            draft = draft_image(image, find_target, self._gap)
            upright, file_format = turn_upright(image), name_format(image)
            self._check_size(upright.size)  # a HEIF's image may differ from its header
            rgb = upright if upright.mode == "RGB" else upright.convert("RGB")
        if draft is None:
            return DecodedImage(rgb, file_format, rgb.size)
        return DecodedImage(rgb, file_format, draft.size, draft.box)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate Pillow's exceptions to ours."""
        try:
            yield
        except Image.DecompressionBombError as exc:
            message = f"The image has more pixels than the limit of {self._max_pixels}."
            raise ImageTooLargeError(message) from exc
        except MemoryError as exc:
            message = "The image needs more memory to decode than one of its size may."
            raise UndecodableImageError(message) from exc
        except PILLOW_ERRORS as exc:
            message = "The image cannot be decoded: it is truncated or corrupt."
            raise UndecodableImageError(message) from exc

    def _check_size(self, size: tuple[int, int]) -> None:
        """Refuse more pixels than the limit."""
        width, height = size
        if width * height > self._max_pixels:
            message = (
                f"The image has {width} x {height} = {width * height} pixels; "
                f"at most {self._max_pixels} are decoded. Send a smaller image."
            )
            raise ImageTooLargeError(message)
