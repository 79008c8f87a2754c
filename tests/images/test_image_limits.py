"""Bytes and pixels beyond the limits are refused before they cost anything."""

import logging
import tracemalloc
from collections.abc import Callable

import pytest

from app.errors import (
    ImageTooLargeError,
    PayloadTooLargeError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
)
from app.images.decoder import DecodedImage, ImageDecoder
from app.images.inline import MAX_BYTES, may_read_inline, should_read_inline
from tests.support import forgeries, samples

_BOUND = 16_000_000
"""Bytes of Python memory that no refused image of a few kilobytes may need."""


def decode(data: bytes, max_pixels: int = 50_000_000) -> DecodedImage:
    """Decode within `max_pixels`."""
    return ImageDecoder(max_bytes=1_000_000, max_pixels=max_pixels).decode(data)


def measure_peak(act: Callable[[], object]) -> int:
    """Measure the most bytes of Python memory that `act` needs at once."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_limit_of_bytes_is_exact() -> None:
    """As many bytes as the limit pass; with one less the image is too large, and says both."""
    data = samples.encode("PNG RGB")
    exact = ImageDecoder(max_bytes=len(data), max_pixels=1_000_000)
    assert exact.decode(data).format == "PNG"
    small = ImageDecoder(max_bytes=len(data) - 1, max_pixels=1_000_000)
    with pytest.raises(PayloadTooLargeError, match=f"{len(data)} bytes.*{len(data) - 1}"):
        small.decode(data)


@pytest.mark.parametrize("file_format", samples.FORMATS)
def test_the_limit_of_pixels_is_exact(file_format: str) -> None:
    """As many pixels as the limit pass; one more than the limit does not."""
    data = samples.save(samples.draw(), file_format)
    pixels = samples.WIDTH * samples.HEIGHT
    assert decode(data, pixels).rgb.size == (samples.WIDTH, samples.HEIGHT)
    with pytest.raises(ImageTooLargeError, match=f"{pixels} pixels; at most {pixels - 1} "):
        decode(data, pixels - 1)


@pytest.mark.parametrize("share", [1.5, 1.9, 2.5, 100])
def test_every_excess_is_the_same_error(share: float) -> None:
    """Below twice the limit our check refuses, above it Pillow's: the error is the same."""
    max_pixels = int(samples.WIDTH * samples.HEIGHT / share)
    with pytest.raises(ImageTooLargeError, match=str(max_pixels)):
        decode(samples.encode("PNG RGB"), max_pixels)


def test_an_image_too_large_is_one_however_it_is_turned() -> None:
    """The limit is held against the pixels, whether the image is turned or not."""
    data = samples.save_oriented("JPEG", 6)
    with pytest.raises(ImageTooLargeError):
        decode(data, samples.WIDTH * samples.HEIGHT - 1)


@pytest.mark.parametrize("forge", forgeries.HUGE.values(), ids=forgeries.HUGE)
def test_a_huge_image_is_refused_by_its_header(forge: Callable[[], bytes]) -> None:
    """Its pixels are not looked for: there are none, and memory for them is not taken."""

    def refuse() -> None:
        with pytest.raises(ImageTooLargeError, match="50000000"):
            decode(data)

    data = forge()
    assert len(data) < 1000
    assert measure_peak(refuse) < _BOUND


@pytest.mark.parametrize("forge", forgeries.CORRUPT.values(), ids=forgeries.CORRUPT)
def test_a_header_without_its_pixels_is_undecodable(forge: Callable[[], bytes]) -> None:
    """Sizes, offsets and counts that lie end in one error."""

    def refuse() -> None:
        with pytest.raises(UndecodableImageError):
            decode(data)

    data = forge()
    assert measure_peak(refuse) < _BOUND


@pytest.mark.parametrize("forge", forgeries.BOMBS.values(), ids=forgeries.BOMBS)
def test_a_bomb_beside_the_pixels_is_undecodable(forge: Callable[[], bytes]) -> None:
    """Megabytes of text or colour profile in a few kilobytes are not unpacked."""

    def refuse() -> None:
        with pytest.raises(UndecodableImageError):
            decode(data)

    data = forge()
    assert len(data) < 300_000
    assert measure_peak(refuse) < _BOUND


def test_a_reasonable_text_and_profile_are_no_bomb() -> None:
    """Real PNGs carry texts and profiles."""
    profile = bytes(range(256)) * 40
    data = samples.save(samples.draw(), "PNG", icc_profile=profile)
    assert b"iCCP" in data
    assert decode(data).rgb.size == (samples.WIDTH, samples.HEIGHT)


def test_no_bytes_are_no_image() -> None:
    """An empty file says that it is empty."""
    with pytest.raises(UndecodableImageError, match="empty"):
        decode(b"")


def test_what_pillow_warns_of_is_not_printed(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A broken EXIF block and a transparent palette are read without a word."""
    caplog.set_level(logging.WARNING)
    broken = samples.save_oriented("JPEG", 6).replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x0c")
    assert decode(broken).format == "JPEG"
    assert decode(samples.encode("PNG P tRNS bytes")).format == "PNG"
    assert capsys.readouterr() == ("", "")
    assert not caplog.records


def test_only_small_images_are_read_inline() -> None:
    """A thin image is not, because a resize could make it huge."""
    decoder = ImageDecoder(max_bytes=1_000_000, max_pixels=50_000_000)
    assert should_read_inline(decoder.open(samples.encode("PNG RGB")))
    assert not should_read_inline(decoder.open(forgeries.forge_png(4000, 4000)))
    assert not should_read_inline(decoder.open(forgeries.forge_png(128, 4)))


@pytest.mark.parametrize("name", samples.NAMES)
def test_only_jpeg_and_png_are_read_inline(name: str) -> None:
    """Readers of other formats run in a worker, however small the file."""
    data = samples.encode(name)
    is_allowed = samples.name_format(name) in {"JPEG", "PNG"}
    assert may_read_inline(data) == (is_allowed and len(data) <= MAX_BYTES)


@pytest.mark.parametrize("name", forgeries.BOMBS)
def test_a_png_with_compressed_metadata_is_not_read_inline(name: str) -> None:
    """Compressed text and colour profiles are not unpacked on the event loop, however small."""
    assert may_read_inline(samples.encode("PNG RGB"))
    assert not may_read_inline(forgeries.BOMBS[name]()[:MAX_BYTES])


@pytest.mark.parametrize("name", samples.NAMES)
def test_an_opened_image_is_decoded_like_its_bytes(name: str) -> None:
    """The header is read once; decoding goes on from it, and takes memory for pixels only then."""
    decoder = ImageDecoder(max_bytes=1_000_000, max_pixels=1_000_000)
    decoded = decoder.decode(decoder.open(samples.encode(name)))
    assert decoded.rgb.tobytes() == decode(samples.encode(name)).rgb.tobytes()
    assert decoded.format == samples.name_format(name)


def test_opening_refuses_what_decoding_refuses() -> None:
    """Opening raises the same errors for a wrong header."""
    decoder = ImageDecoder(max_bytes=1000, max_pixels=1_000_000)
    refused = {
        b"": UndecodableImageError,
        b"hello": UnsupportedMediaTypeError,
        b"\x89PNG\r\n\x1a\n hello": UndecodableImageError,
        bytes(1001): PayloadTooLargeError,
        forgeries.forge_png(1001, 1000): ImageTooLargeError,
        forgeries.forge_png(100_000, 100_000): ImageTooLargeError,
    }
    for data, error in refused.items():
        with pytest.raises(error):
            decoder.open(data)
