"""Small encoded images of every format and colour mode that Pillow can write."""

import io
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from PIL import ExifTags, Image

WIDTH, HEIGHT = 23, 17
"""Odd and unequal, so that a turned image or a wrong stride shows."""


def draw(mode: str = "RGB", size: tuple[int, int] = (WIDTH, HEIGHT), seed: int = 0) -> Image.Image:
    """Draw seeded noise over a gradient, in `mode`; `size` is width and height."""
    width, height = size
    rng = np.random.default_rng(seed)
    ramp = np.linspace(0, 160, width)[None, :, None] + np.linspace(0, 40, height)[:, None, None]
    noise = rng.integers(0, 55, (height, width, 4))
    image = Image.fromarray((ramp + noise).astype(np.uint8), "RGBA")
    if mode in _DEEP:
        values = np.asarray(image.convert("L")).astype(np.int32)
        scale = 257 if mode.startswith("I;16") else 1
        return Image.fromarray((values * scale).astype(_DEEP[mode]))
    if mode in {"PA", "P"}:
        return image.convert("RGB").quantize(32).convert(mode)
    return image if mode == "RGBA" else image.convert("RGB").convert(mode)


def save(image: Image.Image, file_format: str, **options: object) -> bytes:
    """Encode an image with Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def encode_grey(level: int, size: tuple[int, int] = (20, 10)) -> bytes:
    """Encode a PNG of one brightness, 0 to 255."""
    return save(Image.new("RGB", size, (level, level, level)), "PNG")


def save_frames(file_format: str, *sizes: tuple[int, int], **options: object) -> bytes:
    """Encode several frames, which differ, into one file."""
    first, *rest = (draw(size=size, seed=seed) for seed, size in enumerate(sizes))
    return save(first, file_format, save_all=True, append_images=rest, **options)


def save_oriented(file_format: str, orientation: int, mode: str = "RGB") -> bytes:
    """Encode an image whose EXIF says how the camera was held."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return save(draw(mode), file_format, exif=exif.tobytes())


def _plain(file_format: str, mode: str, **options: object) -> Callable[[], bytes]:
    """Encode one still image when asked."""
    return lambda: save(draw(mode), file_format, **options)


def _animated(file_format: str, **options: object) -> Callable[[], bytes]:
    """Encode three frames when asked."""
    return lambda: save_frames(file_format, *[(WIDTH, HEIGHT)] * 3, **options)


_DEEP: Final = {"I": "<i4", "I;16": "<u2", "I;16B": ">u2", "F": "<f4"}
"""Modes of more than eight bits, and NumPy's names for them."""

_PLAIN: Final = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("L", "P", "RGB", "RGBA"),
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", *_DEEP),
    "AVIF": ("L", "P", "RGB", "RGBA"),
}

_SPECIAL: Final[dict[str, Callable[[], bytes]]] = {
    "JPEG progressive": _plain("JPEG", "RGB", progressive=True),
    "JPEG several pictures": _animated("MPO"),
    "PNG 1 tRNS": _plain("PNG", "1", transparency=1),
    "PNG L tRNS": _plain("PNG", "L", transparency=90),
    "PNG RGB tRNS": _plain("PNG", "RGB", transparency=(9, 9, 9)),
    "PNG P tRNS bytes": _plain("PNG", "P", transparency=bytes(range(0, 256, 8))),
    "PNG P tRNS index": _plain("PNG", "P", transparency=3),
    "PNG animated": _animated("PNG"),
    "PNG animated, default image": _animated("PNG", default_image=True),
    "WEBP lossless": _plain("WEBP", "RGBA", lossless=True),
    "WEBP animated": _animated("WEBP"),
    "GIF P transparency": _plain("GIF", "P", transparency=2),
    "GIF interlaced": _plain("GIF", "P", interlace=1),
    "GIF animated": _animated("GIF"),
    "TIFF LZW": _plain("TIFF", "RGB", compression="tiff_lzw"),
    "TIFF deflate": _plain("TIFF", "RGBA", compression="tiff_adobe_deflate"),
    "TIFF packbits": _plain("TIFF", "L", compression="packbits"),
    "TIFF group 4": _plain("TIFF", "1", compression="group4"),
    "TIFF JPEG": _plain("TIFF", "RGB", compression="jpeg"),
    "TIFF YCbCr JPEG": _plain("TIFF", "YCbCr", compression="jpeg"),
    "TIFF pages": _animated("TIFF"),
    "TIFF BigTIFF": _plain("TIFF", "RGB", big_tiff=True),
    "AVIF lossless": _plain("AVIF", "RGB", quality=100, subsampling="4:4:4"),
    "AVIF animated": _animated("AVIF"),
}

_SAMPLES: Final[dict[str, Callable[[], bytes]]] = {
    f"{file_format} {mode}": _plain(file_format, mode)
    for file_format, modes in _PLAIN.items()
    for mode in modes
} | _SPECIAL

NAMES: Final = tuple(_SAMPLES)
"""`FORMAT what`, such as `PNG RGBA`."""

FORMATS: Final = tuple(_PLAIN)


@cache
def encode(name: str) -> bytes:
    """Encode the sample called `name`, one of NAMES."""
    return _SAMPLES[name]()


def name_format(name: str) -> str:
    """Name the format of a sample as the service names it."""
    return name.split(maxsplit=1)[0]
