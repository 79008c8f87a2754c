"""What unserved content is called in an error."""

import pickle

import pytest

from app.images.signatures import name_media_type
from tests.support import samples

_NAMES = {
    b"8BPS\x00\x01": "image/vnd.adobe.photoshop",
    b"\x00\x00\x01\x00\x01\x00": "image/vnd.microsoft.icon",
    b"%!PS-Adobe-3.0 EPSF-3.0\n": "application/postscript",
    b"%PDF-1.7\n": "application/pdf",
    b"PK\x03\x04\x14\x00": "application/zip",
    b"\x1f\x8b\x08\x00": "application/gzip",
    b"7z\xbc\xaf\x27\x1c\x00": "application/x-7z-compressed",
    b"Rar!\x1a\x07\x00": "application/vnd.rar",
    b"\x7fELF\x02\x01": "application/x-executable",
    b"MZ\x90\x00": "application/x-executable",
    b"\x93NUMPY\x01\x00": "a NumPy array",
    b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00": "image/heic",
    b"\x00\x00\x00\x18ftypheix\x00\x00\x00\x00": "image/heic",
    b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00": "image/heif",
    b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00": "video/mp4",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>": "image/svg+xml",
    b"<?xml version='1.0'?>\n<svg/>": "image/svg+xml",
    b"<?xml version='1.0'?>\n<note/>": "application/xml",
    b"\xef\xbb\xbf  <!DOCTYPE html><title>x</title>": "text/html",
    b"<HTML><body>": "text/html",
    b"hello, this is no image\n": "text/plain",
    "größer als 5 €".encode(): "text/plain",
    b"\x00\x01\x02\x03\x04\x05": "an unknown format",
    b"RIFF\x24\x00\x00\x00WAVEfmt ": "an unknown format",
}


@pytest.mark.parametrize(("content", "name"), _NAMES.items(), ids=str)
def test_content_is_named_by_its_first_bytes(content: bytes, name: str) -> None:
    """A file is called what its content says."""
    assert name_media_type(content) == name


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_named(protocol: int) -> None:
    """A pickle of every binary protocol is called one."""
    assert name_media_type(pickle.dumps({"a": 1}, protocol)) == "a Python pickle"


@pytest.mark.parametrize("name", samples.NAMES)
def test_a_served_format_is_named_by_its_media_type(name: str) -> None:
    """What is served is called `image/` and its format, which a corrupt header relies on."""
    expected = f"image/{samples.name_format(name).lower()}"
    assert name_media_type(samples.encode(name)) == expected


@pytest.mark.parametrize("name", samples.NAMES)
def test_every_start_of_a_file_has_a_name(name: str) -> None:
    """However short a start is, naming it works."""
    content = samples.encode(name)[:64]
    assert all(name_media_type(content[:length]) for length in range(len(content)))


def test_markup_is_told_from_text_that_mentions_it() -> None:
    """Text that only mentions markup is text."""
    assert name_media_type(b"how do I draw a circle with <svg>?") == "text/plain"
