"""A scaled decode is near the exact one, never smaller than the gap allows, and only for JPEGs."""

import asyncio
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from transformers.image_utils import load_image

from app.backend import Geometry, Pixels
from app.errors import ImageTooLargeError, UndecodableImageError
from app.images.decoder import DecodedImage, ImageDecoder
from app.images.geometry import GeometryProcessor, build_processor
from app.limits import GAP, derive_limits
from app.prediction.predictor import Predictor
from app.settings import Settings
from schemas import PredictOptions
from tests.support import samples
from tests.support.fake_backend import FakeBackend

_ORIENTATIONS = range(1, 9)
_SQUARE = Geometry(size=(32, 32), resize=(32, 32), resample=2, crop=False)
_OBLONG = Geometry(size=(20, 31), resize=(20, 31), resample=3, crop=False)
_CROPPED = Geometry(size=(24, 24), resize=27, resample=3, crop=True)
_GEOMETRIES = {"square": _SQUARE, "oblong": _OBLONG, "cropped": _CROPPED}
_KINDS: dict[str, tuple[str, str, dict[str, object]]] = {
    "baseline": ("RGB", "JPEG", {}),
    "progressive": ("RGB", "JPEG", {"progressive": True}),
    "4:4:4": ("RGB", "JPEG", {"subsampling": "4:4:4"}),
    "grey": ("L", "JPEG", {}),
    "CMYK": ("CMYK", "JPEG", {}),
    "several pictures": ("RGB", "MPO", {"save_all": True, "append_images": [samples.draw()]}),
}


def make_decoder(gap: float | None, max_pixels: int = 1_000_000) -> ImageDecoder:
    """Make a decoder with a generous limit of bytes."""
    return ImageDecoder(max_bytes=1_000_000, max_pixels=max_pixels, gap=gap)


def draw_ramp(size: tuple[int, int]) -> Image.Image:
    """Draw brightness that rises to the right in red, downwards in green, and is smooth."""
    across, down = np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1])
    red, green = np.meshgrid(across, down)
    return Image.fromarray(np.stack([red, green, 255 - red], axis=-1).astype(np.uint8))


def encode(image: Image.Image, orientation: int = 1, kind: str = "baseline") -> bytes:
    """Encode an image as a JPEG of one of _KINDS, held as `orientation` says."""
    mode, file_format, options = _KINDS[kind]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return samples.save(image.convert(mode), file_format, quality=95, exif=exif, **options)


def read(data: bytes, geometry: Geometry, gap: float | None) -> tuple[DecodedImage, Pixels]:
    """Decode and apply the geometry."""
    processor = build_processor(geometry, 1_000_000)
    decoded = make_decoder(gap).decode(data, processor.find_target)
    return decoded, processor(decoded)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    size=st.tuples(st.integers(1, 600), st.integers(1, 600)),
    orientation=st.sampled_from(_ORIENTATIONS),
    geometry=st.sampled_from(list(_GEOMETRIES.values())),
    gap=st.sampled_from([1.0, 1.5, 2.0, 3.0]),
)
def test_a_scaled_image_keeps_the_gap(
    size: tuple[int, int], orientation: int, geometry: Geometry, gap: float
) -> None:
    """On both edges it is the gap larger than the resize's result; half of it would not be."""
    upright = size[::-1] if orientation >= 5 else size
    decoded, pixels = read(encode(Image.new("RGB", size), orientation), geometry, gap)
    target = build_processor(geometry, 1_000_000).find_target(upright)
    assert target is not None
    shares = [have / (gap * want) for have, want in zip(decoded.rgb.size, target, strict=True)]
    if decoded.rgb.size == upright:
        assert decoded.box is None
        assert min(upright[0] / target[0], upright[1] / target[1]) < 2 * gap
    else:
        assert min(shares) >= 1
        assert min(shares) < 2.2 or decoded.rgb.size == tuple(-(-edge // 8) for edge in upright)
    assert decoded.size == upright
    assert pixels.shape == (*geometry.size, 3)


@pytest.mark.parametrize(
    ("size", "scaled"),
    [
        ((128, 128), (64, 64)),
        ((127, 128), (127, 128)),
        ((128, 127), (128, 127)),
        ((255, 999), (128, 500)),
        ((256, 999), (64, 250)),
        ((512, 513), (64, 65)),
        ((999, 999), (125, 125)),
    ],
)
def test_an_image_is_scaled_by_the_most_that_the_gap_allows(
    size: tuple[int, int], scaled: tuple[int, int]
) -> None:
    """With a gap of 2, 32 pixels need 64: from 128 on it is a half, from 256 a quarter."""
    decoded, _ = read(encode(Image.new("RGB", size)), _SQUARE, 2.0)
    assert decoded.rgb.size == scaled


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("orientation", _ORIENTATIONS)
@pytest.mark.parametrize("geometry", _GEOMETRIES.values(), ids=_GEOMETRIES)
def test_a_scaled_image_lies_where_the_exact_one_lies(
    kind: str, orientation: int, geometry: Geometry
) -> None:
    """Turned and with odd edges too, each pixel differs by what libjpeg rounds and no more."""
    data = encode(draw_ramp((513, 393)), orientation, kind)
    exact, expected = read(data, geometry, None)
    scaled, pixels = read(data, geometry, 2.0)
    assert scaled.rgb.width < exact.rgb.width
    assert (scaled.size, scaled.format) == (exact.rgb.size, "JPEG")
    difference = np.abs(pixels.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.5


def test_a_scaled_photograph_is_near_the_exact_one() -> None:
    """Fine detail costs less than one grey level on average."""
    noisy = np.asarray(draw_ramp((640, 480))) // 2
    noisy = noisy + np.random.default_rng(3).integers(0, 100, noisy.shape, dtype=np.uint8)
    data = encode(Image.fromarray(noisy))
    _, expected = read(data, _SQUARE, None)
    scaled, pixels = read(data, _SQUARE, 2.0)
    assert scaled.rgb.size == (160, 120)
    assert not np.array_equal(pixels, expected)
    assert np.abs(pixels.astype(int) - expected).mean() < 1


@pytest.mark.parametrize("orientation", _ORIENTATIONS)
@pytest.mark.parametrize("kind", _KINDS)
def test_an_exact_decode_equals_load_image(kind: str, orientation: int) -> None:
    """Without a gap, the geometry changes nothing: pixels are load_image's, bit for bit."""
    data = encode(samples.draw(size=(301, 200)), orientation, kind)
    decoded, _ = read(data, _SQUARE, None)
    expected = np.asarray(load_image(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(np.asarray(decoded.rgb), expected)
    assert decoded.box is None


@pytest.mark.parametrize("file_format", [name for name in samples.FORMATS if name != "JPEG"])
def test_other_formats_are_decoded_exactly(file_format: str) -> None:
    """Only JPEG has a scaled decode."""
    data = samples.save(samples.draw(size=(301, 200)), file_format)
    exact, expected = read(data, _SQUARE, None)
    decoded, pixels = read(data, _SQUARE, 1.0)
    assert decoded.rgb.tobytes() == exact.rgb.tobytes()
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry(size=(16, 16), resize=None, resample=2, crop=True),
        Geometry(size=(16, 16), resize=(16, 16), resample=0, crop=False),
    ],
    ids=["no resize", "nearest neighbour"],
)
def test_where_single_pixels_count_a_jpeg_is_decoded_exactly(geometry: Geometry) -> None:
    """A crop alone and a choice of pixels need the image at its full size."""
    data = encode(samples.draw(size=(400, 300)))
    decoded, pixels = read(data, geometry, 1.0)
    _, expected = read(data, geometry, None)
    assert decoded.rgb.size == (400, 300)
    np.testing.assert_array_equal(pixels, expected)


def test_a_fallback_is_given_an_exact_image() -> None:
    """What a processor of transformers resizes to is not known here."""
    config = '{"image_processor_type": "BeitImageProcessor", "size": {"height": 8, "width": 8}}'
    geometry = Geometry((8, 8), None, 0, crop=False, fallback=config)
    decoded, _ = read(encode(samples.draw(size=(400, 300))), geometry, 1.0)
    assert decoded.rgb.size == (400, 300)


def test_the_limit_of_pixels_is_that_of_the_whole_image() -> None:
    """An image over the limit is refused, though scaled it would be below."""
    processor = GeometryProcessor(_SQUARE, 1_000_000)
    data = encode(Image.new("RGB", (400, 300)))
    assert make_decoder(2.0, 400 * 300).decode(data, processor.find_target).size == (400, 300)
    with pytest.raises(ImageTooLargeError, match="400 x 300"):
        make_decoder(2.0, 400 * 300 - 1).decode(data, processor.find_target)


def test_an_elongated_image_is_refused_before_it_is_decoded() -> None:
    """What the resize would refuse is refused in the same words."""
    geometry = Geometry(size=(32, 32), resize=64, resample=3, crop=True)
    data = encode(Image.new("RGB", (4000, 4)))
    with pytest.raises(ImageTooLargeError, match=r"4000 x 4: .*less elongated"):
        read(data, geometry, None)
    with pytest.raises(ImageTooLargeError, match=r"4000 x 4: .*less elongated"):
        make_decoder(2.0).decode(data, GeometryProcessor(geometry, 1_000_000).find_target)


@pytest.mark.parametrize("kind", _KINDS)
def test_a_truncated_jpeg_is_as_undecodable_scaled_as_exactly(kind: str) -> None:
    """Wherever a file is cut, both decodes refuse it or neither does."""
    data = encode(samples.draw(size=(200, 150)), kind=kind)
    for cut in np.linspace(4, len(data), 40).astype(int).tolist():
        verdicts = []
        for gap in (None, 1.0):
            try:
                verdicts.append(read(data[:cut], _SQUARE, gap)[0].size)
            except UndecodableImageError:
                verdicts.append((0, 0))
        assert verdicts[0] == verdicts[1], cut


@pytest.mark.parametrize(("decode", "is_exact"), [("exact", True), ("scaled", False)])
def test_the_setting_reaches_the_decoder(
    decode: str, *, is_exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """VITRINE_DECODE decides which pixels travel; the size answered is the original's."""
    monkeypatch.setenv("VITRINE_DECODE", decode)
    data = encode(samples.draw(size=(320, 200)), orientation=6)
    backend = FakeBackend()
    predictor = Predictor(backend, derive_limits(Settings()))
    answer = asyncio.run(predictor.classify(data, PredictOptions())).response
    assert (answer.image.width, answer.image.height) == (200, 320)
    geometry = backend.groups[0].geometry
    _, exact = read(data, geometry, None)
    _, scaled = read(data, geometry, GAP)
    assert not np.array_equal(exact, scaled)
    np.testing.assert_array_equal(backend.groups[0].pixels[0], exact if is_exact else scaled)
