"""Image files whose headers lie, and content that only looks like an image."""

import struct
import zlib
from collections.abc import Callable
from typing import Final

from tests.support import samples

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def make_chunk(kind: bytes, body: bytes) -> bytes:
    """Make a PNG chunk with the right checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def forge_png(width: int, height: int, *chunks: bytes) -> bytes:
    """Forge a PNG that has `chunks` before its pixels, which are missing."""
    header = make_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return _PNG_SIGNATURE + header + b"".join(chunks) + make_chunk(b"IDAT", zlib.compress(b""))


def forge_gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """Forge a GIF whose screen and whose only frame have these sizes, without pixels."""
    header = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6)
    return header + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x01\x00\x00;"


def forge_bmp(width: int, height: int) -> bytes:
    """Forge a BMP of 24 bits without pixels."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def forge_tiff(width: int, height: int, *more: tuple[int, int], compression: int = 1) -> bytes:
    """Forge a grey TIFF with one strip of 16 bytes; `more` are tags and their values."""
    tags = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 277: 1, 278: height}
    tags |= {273: 8, 279: 16} | dict(more)
    entries = (struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    ifd = struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)
    return b"II*\x00" + struct.pack("<I", 24) + bytes(16) + ifd


def forge_jpeg(width: int, height: int) -> bytes:
    """Forge a JPEG of this size from a small one."""
    return _patch(samples.encode("JPEG RGB"), b"\xff\xc0", 5, struct.pack(">HH", height, width))


def forge_webp(width: int, height: int) -> bytes:
    """Forge a lossy WebP of this size, at most 16383 either way, from a small one."""
    data = samples.encode("WEBP RGB")
    return _patch(data, b"\x9d\x01\x2a", 3, struct.pack("<HH", width, height))


def forge_avif(width: int, height: int) -> bytes:
    """Forge an AVIF of this size from a small one."""
    return _patch(samples.encode("AVIF RGB"), b"ispe", 8, struct.pack(">II", width, height))


def _patch(data: bytes, mark: bytes, offset: int, replacement: bytes) -> bytes:
    """Overwrite what lies `offset` bytes behind the start of `mark`."""
    start = data.index(mark) + offset
    return data[:start] + replacement + data[start + len(replacement) :]


HUGE: Final[dict[str, Callable[[], bytes]]] = {
    "PNG": lambda: forge_png(100_000, 100_000),
    "GIF": lambda: forge_gif((65_535, 65_535), (65_535, 65_535)),
    "GIF frame": lambda: forge_gif((1, 1), (65_535, 65_535)),
    "BMP": lambda: forge_bmp(100_000, 100_000),
    "BMP upside down": lambda: forge_bmp(100_000, -100_000),
    "TIFF": lambda: forge_tiff(100_000, 100_000),
    "TIFF deflate": lambda: forge_tiff(100_000, 100_000, compression=8),
    "JPEG": lambda: forge_jpeg(65_000, 65_000),
    "WEBP": lambda: forge_webp(16_383, 16_383),
    "AVIF": lambda: forge_avif(16_000, 16_000),
}
"""Far more pixels than fit, in a file of a few hundred bytes that has none."""


CORRUPT: Final[dict[str, Callable[[], bytes]]] = {
    "TIFF, strip beyond the file": lambda: forge_tiff(3000, 3000),
    "TIFF, far strip": lambda: forge_tiff(16, 1, (273, 0xFFFFFF00)),
    "TIFF, endless strip": lambda: forge_tiff(64, 64, (279, 0xFFFFFFFF), compression=8),
    "TIFF, huge tile": lambda: forge_tiff(
        16, 16, (322, 0x7FFFFFF0), (323, 0x7FFFFFF0), (324, 8), (325, 16), compression=8
    ),
    "TIFF, many samples": lambda: forge_tiff(16, 16, (277, 60_000)),
    "TIFF, no height": lambda: forge_tiff(16, 0),
    "PNG, no width": lambda: forge_png(0, 10),
    "PNG, no pixels": lambda: forge_png(2000, 2000),
    "GIF, no pixels": lambda: forge_gif((500, 500), (500, 500)),
    "BMP, no pixels": lambda: forge_bmp(2000, 2000),
}
"""Headers within limits, and not the pixels to go with them."""

LENIENT: Final[dict[str, Callable[[], bytes]]] = {
    "JPEG, more pixels than it holds": lambda: forge_jpeg(300, 200),
    "JPEG, fewer pixels than it holds": lambda: forge_jpeg(9, 5),
    "AVIF, other size than its picture": lambda: forge_avif(300, 200),
}
"""Sizes that lie, of which the format's own library makes an image nevertheless."""


def _make_bomb(kind: bytes, prefix: bytes, size: int = 40_000_000) -> Callable[[], bytes]:
    """Make a PNG chunk that holds `size` zeros, compressed, when asked."""
    return lambda: forge_png(4, 4, make_chunk(kind, prefix + zlib.compress(bytes(size))))


BOMBS: Final[dict[str, Callable[[], bytes]]] = {
    "zTXt": _make_bomb(b"zTXt", b"Comment\0\0"),
    "iTXt": _make_bomb(b"iTXt", b"Comment\0\x01\0\0\0"),
    "iCCP": _make_bomb(b"iCCP", b"profile\0\0"),
    "many zTXt": lambda: forge_png(
        4, 4, make_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_000_000))) * 200
    ),
}
"""PNGs of a few kilobytes with megabytes of text or colour profile."""
