"""Content that is no image, or no longer one, ends in a typed error and runs no other plugin."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import ImageTooLargeError, UndecodableImageError, UnsupportedMediaTypeError
from app.images.decoder import DecodedImage, ImageDecoder
from app.images.formats import FORMATS, HEIF, load_heif
from tests.support import samples

_OTHERS = {
    "EPS": "application/postscript",
    "ICO": "image/vnd.microsoft.icon",
    "PPM": "an unknown format",
    "PCX": "an unknown format",
    "TGA": "an unknown format",
    "SGI": "an unknown format",
    "DDS": "an unknown format",
    "JPEG2000": "an unknown format",
    "DIB": "an unknown format",
    "PDF": "application/pdf",
}
_PSD = b"8BPS\x00\x01" + bytes(6) + b"\x00\x03\x00\x00\x00\x02\x00\x00\x00\x02\x00\x08\x00\x03"
_CONTENTS = {
    "text renamed .jpg": (b"I am a photograph, honestly.\n", "text/plain"),
    "pickle": (pickle.dumps({"weights": [1.0]}), "a Python pickle"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'><circle r='9'/></svg>", "image/svg.xml"),
    "PDF": (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", "application/pdf"),
    "HTML": (b"<!DOCTYPE html><html><body><img></body></html>", "text/html"),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(20), "application/gzip"),
    "PSD": (_PSD + bytes(14) + bytes(40), "image/vnd.adobe.photoshop"),
    "MP4": (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2", "video/mp4"),
    "ELF": (b"\x7fELF\x02\x01\x01" + bytes(60), "application/x-executable"),
    "zeros": (bytes(4096), "an unknown format"),
}


def decode(data: bytes) -> DecodedImage:
    """Decode within small limits."""
    return ImageDecoder(max_bytes=1_000_000, max_pixels=1_000_000).decode(data)


@pytest.mark.parametrize(("data", "name"), _CONTENTS.values(), ids=_CONTENTS)
def test_content_that_is_no_image_is_named(data: bytes, name: str) -> None:
    """The error says what the content looks like and what would be read instead."""
    with pytest.raises(UnsupportedMediaTypeError, match=f"{name}; JPEG, PNG.* are served"):
        decode(data)


def test_a_zip_is_no_image() -> None:
    """An archive is named and not looked into, even if an image is inside."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("image.png", samples.encode("PNG RGB"))
    with pytest.raises(UnsupportedMediaTypeError, match="application/zip"):
        decode(buffer.getvalue())


@pytest.mark.parametrize(("file_format", "name"), _OTHERS.items())
def test_formats_that_pillow_knows_are_not_run(file_format: str, name: str) -> None:
    """An image of a format that Pillow could read is refused: only FORMATS' plugins run."""
    data = samples.save(samples.draw("RGB", (32, 32)), file_format)
    if file_format in Image.OPEN:
        with Image.open(io.BytesIO(data), formats=[file_format]) as image:
            assert image.size == (32, 32)
    with pytest.raises(UnsupportedMediaTypeError, match=name):
        decode(data)


def test_a_psd_that_pillow_opens_is_not_run() -> None:
    """A Photoshop header is enough for Pillow, and not for us."""
    data, _ = _CONTENTS["PSD"]
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PSD"
    with pytest.raises(UnsupportedMediaTypeError, match="photoshop"):
        decode(data)


def test_only_served_formats_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every plugin of Pillow loaded, none but those of FORMATS and HEIF sees a single byte."""
    Image.init()
    load_heif()
    tried: list[str] = []

    def watch(file_format: str) -> None:
        def accept(prefix: bytes) -> bool:
            assert prefix
            tried.append(file_format)
            return False

        factory, _ = Image.OPEN[file_format]
        monkeypatch.setitem(Image.OPEN, file_format, (factory, accept))

    for file_format in list(Image.OPEN):
        watch(file_format)
    with pytest.raises(UnsupportedMediaTypeError):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert len(Image.OPEN) > len(FORMATS)
    assert tried == [*FORMATS, HEIF]


@pytest.mark.parametrize("name", samples.NAMES)
def test_a_truncated_image_is_an_image_or_a_typed_error(name: str) -> None:
    """Wherever a file is cut, there is an answer of ours, and a picture has its full size."""
    data = samples.encode(name)
    cuts = {*range(1, 40), *np.linspace(40, len(data) - 1, 40).astype(int).tolist()}
    for cut in sorted(cuts):
        try:
            decoded = decode(data[:cut])
        except (UndecodableImageError, UnsupportedMediaTypeError):
            continue
        assert decoded.rgb.size == (samples.WIDTH, samples.HEIGHT)


@pytest.mark.parametrize("name", samples.NAMES)
def test_the_start_of_an_image_is_no_image(name: str) -> None:
    """From its signature on, a file without pixels is an image that is broken, not another type."""
    with pytest.raises(UndecodableImageError):
        decode(samples.encode(name)[:24])


_FLIP = st.tuples(st.just("flip"), st.floats(0, 1), st.integers(1, 255))
_SET = st.tuples(st.just("set"), st.floats(0, 1), st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
_CUT = st.tuples(st.just("cut"), st.floats(0, 1), st.integers(1, 30))
_REPEAT = st.tuples(st.just("repeat"), st.floats(0, 1), st.integers(1, 30))
_SPLICE = st.tuples(st.just("splice"), st.floats(0, 1), st.integers(0, len(samples.NAMES) - 1))
_MUTATIONS = st.lists(st.one_of(_FLIP, _SET, _CUT, _REPEAT, _SPLICE), min_size=1, max_size=5)


def mutate(data: bytes, kind: str, position: float, value: int) -> bytes:
    """Damage a file at `position`, 0 to 1; most damage is done near its start."""
    index = int(position * position * max(0, len(data) - 1))
    before, after = data[:index], data[index:]
    if kind == "flip":
        return before + bytes([after[0] ^ value]) + after[1:] if after else data
    if kind == "set":
        return before + bytes([value] * 4) + after[4:]
    if kind == "cut":
        return before + after[value:]
    if kind == "repeat":
        return before + after[:value] * 3 + after
    return before + samples.encode(samples.NAMES[value])[index:]


@settings(max_examples=400, derandomize=True, deadline=None)
@given(name=st.sampled_from(samples.NAMES), mutations=_MUTATIONS)
def test_a_damaged_image_is_an_image_or_a_typed_error(
    name: str, mutations: list[tuple[str, float, int]]
) -> None:
    """Whatever is done to a file, the answer is an RGB image within limits or one of ours."""
    data = samples.encode(name)
    for mutation in mutations:
        data = mutate(data, *mutation)
    try:
        decoded = decode(data)
    except (UndecodableImageError, UnsupportedMediaTypeError, ImageTooLargeError):
        return
    assert decoded.rgb.mode == "RGB"
    assert decoded.format in FORMATS
    assert np.asarray(decoded.rgb).shape == (decoded.rgb.height, decoded.rgb.width, 3)
    assert decoded.rgb.width * decoded.rgb.height <= 1_000_000


@settings(max_examples=200, derandomize=True, deadline=None)
@given(data=st.binary(min_size=1, max_size=200))
def test_noise_is_a_typed_error(data: bytes) -> None:
    """Bytes at random are no image."""
    with pytest.raises((UndecodableImageError, UnsupportedMediaTypeError)):
        decode(data)
