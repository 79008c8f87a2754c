"""What clients send: good images, and content that is refused, each with its row of the table."""

import io
import pickle
import struct
import zipfile
import zlib
from typing import Final

import httpx
from PIL import Image

from app.errors import (
    ImageTooLargeError,
    ProblemError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
)


def encode_grey(level: int = 255, size: tuple[int, int] = (20, 10), form: str = "PNG") -> bytes:
    """Encode an image of one brightness, 0 to 255; `size` is width and height."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(buffer, form)
    return buffer.getvalue()


def encode_png_header(width: int, height: int) -> bytes:
    """Encode a PNG that announces its size and has hardly any data."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(100))),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _encode_zip() -> bytes:
    """Encode a zip archive of one image."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("image.png", encode_grey())
    return buffer.getvalue()


REFUSED: Final[dict[str, tuple[bytes, type[ProblemError]]]] = {
    "empty": (b"", UndecodableImageError),
    "text renamed .jpg": (b"I am no picture.\n" * 10, UnsupportedMediaTypeError),
    "truncated JPEG": (encode_grey(size=(400, 300), form="JPEG")[:-600], UndecodableImageError),
    "PNG header alone": (encode_grey()[:20], UndecodableImageError),
    "PNG of 100,000 x 100,000": (encode_png_header(100_000, 100_000), ImageTooLargeError),
    "pickle": (pickle.dumps(["os", "system"]), UnsupportedMediaTypeError),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', UnsupportedMediaTypeError),
    "PDF": (b"%PDF-1.7\n1 0 obj\n", UnsupportedMediaTypeError),
    "HTML": (b"<!doctype html><title>x</title>", UnsupportedMediaTypeError),
    "zip": (_encode_zip(), UnsupportedMediaTypeError),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", UnsupportedMediaTypeError),
    "noise": (bytes(range(1, 255)), UnsupportedMediaTypeError),
}
"""By name: the content of the part `file`, and the error that it gets."""

BAD_OPTIONS: Final = {
    "top_k=0": "top_k",
    "top_k=-1": "top_k",
    "top_k=99": "top_k",
    "top_k=two": "top_k",
    "top_k=1.5": "top_k",
    "threshold=2": "threshold",
    "threshold=-0.1": "threshold",
    "threshold=NaN": "threshold",
    "threshold=inf": "threshold",
    "treshold=0.5": "treshold",
}
"""By query: the option that the error names."""


def make_upload(
    data: bytes,
    query: str = "",
    headers: dict[str, str] | None = None,
    *,
    url: str,
    path: str = "/predict",
) -> httpx.Request:
    """Make the request that uploads one image."""
    return httpx.Request(
        "POST",
        f"{url}{path}{'?' * bool(query)}{query}",
        files={"file": ("image.jpg", data, "image/jpeg")},
        headers=headers,
    )
