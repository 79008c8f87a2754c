"""Files that ask for far more than they hold: pixels, frames, and blocks beside the image.

Unlike the forgeries these hold what their headers announce, or enough of it to be read for long.
"""

import struct
import zlib
from collections.abc import Callable
from typing import Final

from PIL import Image

from tests.support import samples
from tests.support.forgeries import forge_png, forge_tiff, make_chunk

_BLOCK = 15_000_000
"""Bytes of a block beside the image; the largest upload is 20 MB."""

_LARGE = 64_000_000
"""Bytes that a small stream unpacks to."""

_FRAMES = 10_000
_EXIF: Final = b"Exif\0\0"


def make_exif(size: int, orientation: int = 6) -> bytes:
    """Make a TIFF directory: an orientation, and a tag of `size` bytes of fractions."""
    count = size // 8
    tags = struct.pack("<HHII", 274, 3, 1, orientation) + struct.pack("<HHII", 40000, 5, count, 38)
    fractions = struct.pack("<II", 3_000_000_019, 4_000_000_007) * count
    return b"II*\0" + struct.pack("<IH", 8, 2) + tags + bytes(4) + fractions


def _save(form: str, **options: object) -> Callable[[], bytes]:
    """Encode a small image with something beside it, when asked."""
    return lambda: samples.save(samples.draw(size=(64, 48)), form, **options)


def _jpeg_segments(marker: int, head: bytes, body: bytes) -> bytes:
    """Make a JPEG with `body` in as many segments as it takes, each with `head` before it."""
    step = 65_500 - len(head)
    parts = (head + body[start : start + step] for start in range(0, len(body), step))
    segments = (struct.pack(">BBH", 0xFF, marker, len(part) + 2) + part for part in parts)
    data = samples.encode("JPEG RGB")
    return data[:2] + b"".join(segments) + data[2:]


def _png_stream() -> bytes:
    """Make a PNG of 16 x 16 whose stream unpacks to far more rows than it has."""
    data = forge_png(16, 16)
    start = data.index(b"IDAT") - 4
    return data[:start] + make_chunk(b"IDAT", zlib.compress(bytes(_LARGE)))


def _png_frames() -> bytes:
    """Make an animated PNG of many frames."""
    pixels = zlib.compress(bytes(64 * (1 + 64 * 3)))
    frame = struct.pack(">IIIIHHBB", 64, 64, 0, 0, 1, 10, 0, 0)
    chunks = [make_chunk(b"acTL", struct.pack(">II", _FRAMES, 0))]
    chunks += [make_chunk(b"fcTL", struct.pack(">I", 0) + frame), make_chunk(b"IDAT", pixels)]
    for number in range(1, 2 * _FRAMES - 1, 2):
        chunks.append(make_chunk(b"fcTL", struct.pack(">I", number) + frame))
        chunks.append(make_chunk(b"fdAT", struct.pack(">I", number + 1) + pixels))
    head = forge_png(64, 64)
    return head[: head.index(b"IDAT") - 4] + b"".join(chunks) + make_chunk(b"IEND", b"")


def _gif_frames() -> bytes:
    """Make a GIF of many frames, each of a screen of a million pixels."""
    data = samples.save(Image.new("P", (1000, 1000)), "GIF")
    start = data.index(b",\0\0\0\0")
    frame = data[start:-1]
    return data[:start] + frame * (18_000_000 // len(frame)) + b";"


def _gif_stream() -> bytes:
    """Make a GIF of 16 x 16 with the stream of a million pixels."""
    data = bytearray(samples.save(Image.new("P", (1000, 1000)), "GIF"))
    for start in (6, data.index(b",\0\0\0\0") + 5):
        struct.pack_into("<HH", data, start, 16, 16)
    return bytes(data)


def _webp_frames() -> bytes:
    """Make a WebP of many frames."""
    data = samples.save_frames("WEBP", *[(64, 48)] * 2, lossless=True)
    start = data.index(b"ANMF")
    frame = data[start : data.index(b"ANMF", start + 4)]
    body = data[8:start] + frame * (18_000_000 // len(frame))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff_pages() -> bytes:
    """Make a TIFF of many pages, each of which has the next behind it."""
    pages, tags = [], {256: 1000, 257: 1000, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 1000}
    tags[279] = 1_000_000
    size = 2 + 12 * len(tags) + 4
    for page in range(_FRAMES):
        entries = (struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
        following = 8 + 1_000_000 + (page + 1) * size if page < _FRAMES - 1 else 0
        pages.append(
            struct.pack("<H", len(tags)) + b"".join(entries) + struct.pack("<I", following)
        )
    return b"II*\0" + struct.pack("<I", 8 + 1_000_000) + bytes(1_000_000) + b"".join(pages)


def _tiff_tag(tag: int, kind: int, unit: int, size: int = _BLOCK) -> bytes:
    """Make a TIFF with one tag of many values, at the end of the file."""
    data = bytearray(forge_tiff(16, 1, (tag, 0)))
    offset = data.index(struct.pack("<HHII", tag, 4, 1, 0))
    struct.pack_into("<HHII", data, offset, tag, kind, size // unit, len(data))
    return bytes(data) + bytes(range(1, 251)) * (size // 250)


def _tiff_exif() -> bytes:
    """Make a TIFF with an EXIF directory of fractions: Pillow unpacks all of them."""
    data = bytearray(forge_tiff(16, 1, (34665, 0)))
    offset = data.index(struct.pack("<HHII", 34665, 4, 1, 0))
    struct.pack_into("<HHII", data, offset, 34665, 4, 1, len(data))
    count = _BLOCK // 8
    entry = struct.pack("<HHII", 40000, 5, count, len(data) + 18)
    return (
        bytes(data) + struct.pack("<H", 1) + entry + bytes(4) + b"\x07\x01\0\0\x09\x02\0\0" * count
    )


def _tiff_tiles() -> bytes:
    """Make a TIFF of a million pixels in tiles of one pixel each."""
    side = 1000
    data = bytearray(
        forge_tiff(side, side, (322, 1), (323, 1), (324, 0), (325, 0)),
    )
    for tag in (324, 325):
        offset = data.index(struct.pack("<HHII", tag, 4, 1, 0))
        struct.pack_into("<HHII", data, offset, tag, 4, side * side, len(data))
    return bytes(data) + struct.pack("<I", 8) * (side * side)


def _tiff_stream() -> bytes:
    """Make a TIFF of 16 x 16 whose strip unpacks to far more rows than it has."""
    strip = zlib.compress(bytes(_LARGE))
    data = bytearray(forge_tiff(16, 16, (273, 0xAAAA), (279, 0xBBBB), compression=8))
    data[:] = bytes(data).replace(
        struct.pack("<HHII", 273, 4, 1, 0xAAAA), struct.pack("<HHII", 273, 4, 1, len(data))
    )
    return (
        bytes(data).replace(
            struct.pack("<HHII", 279, 4, 1, 0xBBBB), struct.pack("<HHII", 279, 4, 1, len(strip))
        )
        + strip
    )


def _blank(form: str, mode: str, size: tuple[int, int], **options: object) -> Callable[[], bytes]:
    """Encode a large image of one colour, when asked."""
    return lambda: samples.save(Image.new(mode, size), form, **options)


PIXELS: Final[dict[str, Callable[[], bytes]]] = {
    "PNG pixels": _blank("PNG", "L", (8000, 6400)),
    "GIF pixels": _blank("GIF", "P", (8000, 6400)),
    "JPEG pixels": _blank("JPEG", "L", (8000, 6400)),
    "TIFF pixels": _blank("TIFF", "1", (8000, 6400)),
}
"""Images of more than 50 million pixels, which they all have."""

STREAMS: Final[dict[str, Callable[[], bytes]]] = {
    "PNG stream": _png_stream,
    "GIF stream": _gif_stream,
    "TIFF stream": _tiff_stream,
}
"""Small images whose compressed stream goes on and on."""

FRAMES: Final[dict[str, Callable[[], bytes]]] = {
    "PNG frames": _png_frames,
    "GIF frames": _gif_frames,
    "WEBP frames": _webp_frames,
    "TIFF pages": _tiff_pages,
    "AVIF frames": lambda: samples.save_frames("AVIF", *[(64, 48)] * 100, speed=10),
}
"""Animations and pages: only the first counts."""

BLOCKS: Final[dict[str, Callable[[], bytes]]] = {
    "JPEG EXIF": lambda: _jpeg_segments(0xE1, _EXIF, make_exif(_BLOCK)),
    "JPEG EXIF of 64 kB": lambda: _jpeg_segments(0xE1, _EXIF, make_exif(64_000)),
    "JPEG ICC": lambda: _jpeg_segments(0xE2, b"ICC_PROFILE\0\x01\xff", bytes(_BLOCK)),
    "JPEG XMP": lambda: _jpeg_segments(0xE1, b"http://ns.adobe.com/xap/1.0/\0", bytes(_BLOCK)),
    "JPEG comments": lambda: _jpeg_segments(0xFE, b"", bytes(_BLOCK)),
    "PNG EXIF": lambda: forge_png(16, 16, make_chunk(b"eXIf", make_exif(_BLOCK))),
    "PNG EXIF and pixels": _save("PNG", exif=_EXIF + make_exif(_BLOCK)),
    "PNG text": lambda: forge_png(16, 16, make_chunk(b"tEXt", b"k\0" + bytes(_BLOCK))),
    "PNG XMP": lambda: forge_png(
        16, 16, make_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + bytes(_BLOCK))
    ),
    "WEBP EXIF": _save("WEBP", exif=_EXIF + make_exif(_BLOCK)),
    "WEBP ICC": _save("WEBP", icc_profile=bytes(_BLOCK)),
    "WEBP XMP": _save("WEBP", xmp=bytes(_BLOCK)),
    "AVIF EXIF": _save("AVIF", exif=_EXIF + make_exif(64_000)),
    "AVIF ICC": _save("AVIF", icc_profile=bytes(_BLOCK)),
    "AVIF XMP": _save("AVIF", xmp=bytes(_BLOCK)),
    "TIFF EXIF": _tiff_exif,
    "TIFF ICC": lambda: _tiff_tag(34675, 7, 1),
    "TIFF XMP": lambda: _tiff_tag(700, 1, 1),
    "TIFF fractions": lambda: _tiff_tag(282, 5, 8, 4_000_000),
    "TIFF strips": lambda: _tiff_tag(273, 4, 4, 4_000_000),
    "TIFF tiles": _tiff_tiles,
}
"""Megabytes of what is not the image."""

BOMBS: Final = PIXELS | STREAMS | FRAMES | BLOCKS
