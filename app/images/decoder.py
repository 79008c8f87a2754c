"""From bytes of unknown origin to an upright RGB image within limits.

The result equals transformers' `load_image`: EXIF turn, then conversion to RGB, first frame of an
animation; only a scaled decode (`app.images.scaled_decoding`) departs from it. What a file is, its
content says; its name and Content-Type are not looked at.
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
"""What Pillow's readers raise on hostile content, beside the errors that it documents."""


_TAKES_MEMORY_EARLY = b"RIFF"
"""How a WebP starts: its reader takes memory for all pixels before it tells how many."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright RGB image and what it was.

    Attributes:
        rgb: Pillow image of mode RGB.
        format: one of `app.images.formats.FORMATS`, or HEIF.
        size: width and height of the image that was sent, upright.
        box: set when `rgb` was decoded smaller: the part of it that the whole image covers.
    """

    rgb: Image.Image
    format: str
    size: Size
    box: Box | None = None


class ImageDecoder:
    """Decodes images within limits.

    Args:
        max_bytes: largest encoded image, in bytes.
        max_pixels: largest image, in pixels, as the header tells it and so before decoding. It
            takes the place of Pillow's own limit, which would only warn at first.
        gap: how many times larger than needed a JPEG stays that is decoded smaller; None decodes
            every image exactly.
        bound_memory: holds an image to the memory that its size asks for.
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
        # Pillow warns of hostile content in words that hold its numbers: each new text would be
        # printed and kept for good. What matters is refused, see _check_size.
        warnings.filterwarnings("ignore", module=r"PIL\.")

    def open(self, data: bytes) -> Image.Image:
        """Read the header of one image; `decode` reads the rest and closes it.

        Raises:
            PayloadTooLargeError: more bytes than the limit.
            UnsupportedMediaTypeError: the content is no format that is read.
            ImageTooLargeError: more pixels than the limit.
            UndecodableImageError: empty or corrupt.
        """
        if len(data) > self._max_bytes:
            message = f"The image has {len(data)} bytes; at most {self._max_bytes} are read."
            raise PayloadTooLargeError(message)
        if not data:
            raise UndecodableImageError("The image is empty: send the bytes of an image file.")
        pixels = self._max_pixels if data.startswith(_TAKES_MEMORY_EARLY) else 0
        with self._refuse_broken(), self._bound_memory(count_memory(pixels) + 2 * len(data)):
            image = identify_image(data)
        self._check_size(image.size)
        return image

    def decode(
        self, source: bytes | Image.Image, find_target: FindTarget | None = None
    ) -> DecodedImage:
        """Decode one image, given as its bytes or opened, to upright RGB.

        Args:
            source: bytes, or what `open` gave.
            find_target: tells what the image will be resized to, so that a JPEG need not be
                decoded larger than that and the gap; None decodes exactly.

        Raises:
            ImageTooLargeError: `find_target` refuses the size.
            UndecodableImageError: truncated or corrupt; and all that `open` raises.
        """
        image = source if isinstance(source, Image.Image) else self.open(source)
        memory = count_memory(image.width * image.height)
        with self._refuse_broken(), self._bound_memory(memory), image:
            draft = draft_image(image, find_target, self._gap)
            upright, file_format = turn_upright(image), name_format(image)
            self._check_size(upright.size)  # a HEIF's picture may have another than its header
            rgb = upright if upright.mode == "RGB" else upright.convert("RGB")
        if draft is None:
            return DecodedImage(rgb, file_format, rgb.size)
        return DecodedImage(rgb, file_format, draft.size, draft.box)

    @contextmanager
    def _refuse_broken(self) -> Iterator[None]:
        """Translate what Pillow raises."""
        try:
            yield
        except Image.DecompressionBombError as exc:
            message = f"The image has more pixels than the limit of {self._max_pixels}."
            raise ImageTooLargeError(message) from exc
        except MemoryError as exc:
            message = "The image takes more memory to decode than one of its size may."
            raise UndecodableImageError(message) from exc
        except PILLOW_ERRORS as exc:
            message = "The image cannot be decoded: it is truncated or corrupt."
            raise UndecodableImageError(message) from exc

    def _check_size(self, size: tuple[int, int]) -> None:
        """Refuse more pixels than the limit, by the header."""
        width, height = size
        if width * height > self._max_pixels:
            message = (
                f"The image has {width} x {height} = {width * height} pixels; "
                f"at most {self._max_pixels} are decoded. Send a smaller image."
            )
            raise ImageTooLargeError(message)
