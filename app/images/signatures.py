"""Media types by a file's first bytes, to name them in errors; `formats` decides what is read."""

from typing import Final

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),  # BigTIFF
    (b"MM\x00+", "image/tiff"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\x00\x00\x01\x00", "image/vnd.microsoft.icon"),
    (b"%!PS", "application/postscript"),
    (b"%PDF", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!", "application/vnd.rar"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-executable"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
)

_BRANDS: Final = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic-sequence",
    b"hevx": "image/heic-sequence",
    b"hevm": "image/heic-sequence",
    b"hevs": "image/heic-sequence",
    b"mif1": "image/heif",
    b"msf1": "image/heif-sequence",
}

HEIF_TYPES: Final = frozenset(name for name in _BRANDS.values() if name.startswith("image/hei"))
"""The types of iPhone photographs."""

_MARKUP: Final = (
    ("<svg", "image/svg+xml"),
    ("<!doctype html", "text/html"),
    ("<html", "text/html"),
    ("<?xml", "application/xml"),
)

_SPACE: Final = 0x20


def name_media_type(data: bytes) -> str:
    """Name the media type, such as `application/pdf`; `an unknown format` if none matches."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    return _name_text(data)


def _name_text(data: bytes) -> str:
    """Tell markup, plain text and binary content apart by the first kilobyte."""
    start = data[:1024]
    text = start.decode("utf-8", "ignore").lstrip("\ufeff \t\r\n").lower()
    for mark, name in _MARKUP:
        if mark in text[:512] and text.startswith("<"):
            return name
    is_text = all(byte >= _SPACE or byte in b"\t\r\n\f" for byte in start)
    return "text/plain" if is_text else "an unknown format"
