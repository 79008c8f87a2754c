"""Supported image formats, identified by content and never by a file name or Content-Type."""

from contextlib import suppress
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from app.errors import UndecodableImageError, UnsupportedMediaTypeError
from app.images.signatures import HEIF_TYPES, name_media_type

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""The Pillow plugins that may run; the JPEG one reads several in one file (MPO) too."""

HEIF = "HEIF"
"""One more format, if `load_heif` finds pillow-heif."""

_SERVED = "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF"


def load_plugins() -> None:
    """Import all plugins now instead of with the first image."""
    Image.init()
    load_heif()


def load_heif() -> None:
    """Enable HEIF in this process if pillow-heif is installed.

    Only the main image is read, which bounds memory, on one thread, since there is one process per
    core. libheif applies the orientation, and pillow-heif removes it from the EXIF block.
    """
    with suppress(ImportError):
        import pillow_heif  # noqa: PLC0415 - optional

        pillow_heif.register_heif_opener(
            thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
        )


def identify_image(data: bytes) -> Image.Image:
    """Read the header with the plugins of FORMATS, and of HEIF if it is loaded.

    Raises:
        UnsupportedMediaTypeError: the content is in another format.
        UndecodableImageError: it starts as a supported format but its header is corrupt.
    """
    has_heif = HEIF in Image.OPEN
    try:
        return Image.open(BytesIO(data), formats=(*FORMATS, HEIF) if has_heif else FORMATS)
    except UnidentifiedImageError as exc:
        media_type = name_media_type(data)
        is_heif = media_type in HEIF_TYPES
        if media_type.removeprefix("image/").upper() in FORMATS or (is_heif and has_heif):
            message = f"The content starts as {media_type} but its header is corrupt."
            raise UndecodableImageError(message) from exc
        fix = " (for HEIC and HEIF: pip install 'vitrine[heif]')" if is_heif else ""
        message = f"The content looks like {media_type}; {_SERVED} are served{fix}."
        raise UnsupportedMediaTypeError(message) from exc


def name_format(image: Image.Image) -> str:
    """Name the format; MPO is JPEG."""
    return "JPEG" if image.format == "MPO" else str(image.format)
