"""Which formats are read, and by what: the content decides, never a name or a Content-Type."""

from contextlib import suppress
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from app.errors import UndecodableImageError, UnsupportedMediaTypeError
from app.images.signatures import HEIF_TYPES, name_media_type

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""The Pillow plugins that may run. Several JPEGs in one file (MPO) are read as a JPEG."""

HEIF = "HEIF"
"""One more, where `load_heif` has found what reads it."""

_SERVED = "JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF"


def load_plugins() -> None:
    """Import what reads images now and not with the first one."""
    Image.init()
    load_heif()


def load_heif() -> None:
    """Let this process read HEIF too, where pillow-heif is installed.

    It stays with the image itself, and one thread: there is a process a core, and what else is in
    the file would take memory. libheif turns the image and pillow-heif takes the turn out of the
    EXIF block, so that nobody turns it twice.
    """
    with suppress(ImportError):
        import pillow_heif  # noqa: PLC0415 - optional

        pillow_heif.register_heif_opener(
            thumbnails=False, depth_images=False, aux_images=False, decode_threads=1
        )


def identify_image(data: bytes) -> Image.Image:
    """Read the header, with the plugins of FORMATS alone, and HEIF's where it is loaded.

    Raises:
        UnsupportedMediaTypeError: it is none of those.
        UndecodableImageError: it begins as one of them.
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
    """Name the format; several JPEGs in one file (MPO) are a JPEG with more behind it."""
    return "JPEG" if image.format == "MPO" else str(image.format)
