"""Thirty encoded images that differ in mode, size, format and EXIF orientation."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

ORIENTATION = 0x0112

_PLAIN = (
    ("PNG", "1", (40, 40)),
    ("PNG", "L", (33, 57)),
    ("PNG", "LA", (64, 31)),
    ("PNG", "P", (50, 50)),
    ("PNG", "RGB", (1, 1)),
    ("PNG", "RGB", (3, 90)),
    ("PNG", "RGBA", (120, 45)),
    ("PNG", "I;16", (40, 30)),
    ("JPEG", "L", (61, 47)),
    ("JPEG", "RGB", (97, 203)),
    ("JPEG", "RGB", (400, 300)),
    ("JPEG", "CMYK", (48, 72)),
    ("JPEG", "YCbCr", (77, 35)),
    ("WEBP", "RGB", (80, 60)),
    ("WEBP", "RGBA", (45, 83)),
    ("GIF", "L", (37, 41)),
    ("GIF", "P", (90, 20)),
    ("BMP", "RGB", (31, 32)),
    ("BMP", "1", (35, 36)),
    ("TIFF", "F", (40, 44)),
    ("TIFF", "CMYK", (32, 32)),
    ("TIFF", "I;16", (52, 38)),
    ("AVIF", "RGB", (64, 48)),
    ("AVIF", "RGBA", (36, 70)),
)


def make_pictures(folder: Path) -> list[Path]:
    """Write the pictures, seeded; gives their paths."""
    pictures = [_encode(draw_image(size, mode), kind) for kind, mode, size in _PLAIN]
    pictures += [_turn(orientation) for orientation in (2, 3, 5, 6, 8)]
    pictures.append(_encode_transparent_palette())
    paths = [folder / f"{index:02}" for index in range(len(pictures))]
    for path, data in zip(paths, pictures, strict=True):
        path.write_bytes(data)
    return paths


def draw_image(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Draw a gradient with noise; `size` is `(width, height)`."""
    width, height = size
    random = np.random.default_rng(width * 1009 + height)
    ramp = np.linspace(0, 160, width * height * 4).reshape(height, width, 4)
    values = (ramp + random.integers(0, 96, ramp.shape)).astype(np.uint8)
    values = np.roll(values, random.integers(4), axis=2)
    if mode == "I;16":
        return Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    rgba = Image.fromarray(values, "RGBA" if mode in {"RGBA", "LA"} else None)
    return rgba.convert("RGB").convert(mode) if mode not in {"RGBA", "LA"} else rgba.convert(mode)


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _turn(orientation: int) -> bytes:
    """Encode a JPEG that EXIF says is turned or mirrored."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return _encode(draw_image((90, 41)), "JPEG", exif=exif)


def _encode_transparent_palette() -> bytes:
    """Encode a palette image with an alpha value for each colour (PA, in a file)."""
    image = draw_image((48, 48)).quantize(16)
    return _encode(image, "PNG", transparency=bytes(range(0, 256, 16)))
