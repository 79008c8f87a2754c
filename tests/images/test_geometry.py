"""Pixels equal those of transformers' own processors, bit by bit."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from transformers import AutoImageProcessor

from app.backend import Geometry
from app.classifier.checkpoint.processor import load_processor
from app.errors import ImageTooLargeError
from app.images.decoder import DecodedImage
from app.images.geometry import (
    FallbackProcessor,
    GeometryProcessor,
    Processor,
    build_processor,
    find_crop,
)

_MAX_PIXELS = 2_000_000
_RESAMPLES = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def _square(edge: int) -> dict[str, int]:
    """Name an edge as transformers does."""
    return {"height": edge, "width": edge}


def _clip(edge: int, crop: dict[str, int], resample: int = 3) -> dict[str, object]:
    """Configure a resize by the shortest edge and a centre crop, as CLIP has it."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": edge},
        "crop_size": crop,
        "resample": resample,
    }


def _convnext(edge: int, crop_pct: float) -> dict[str, object]:
    """Configure ConvNeXt's resize."""
    size = {"shortest_edge": edge}
    return {"image_processor_type": "ConvNextImageProcessor", "size": size, "crop_pct": crop_pct}


_VIT: dict[str, object] = {"image_processor_type": "ViTImageProcessor"}
_DEIT: dict[str, object] = {"image_processor_type": "DeiTImageProcessor"}

_PLAIN: dict[str, dict[str, object]] = {
    "vit": {**_VIT, "size": _square(20)},
    "vit not square": {**_VIT, "size": {"height": 13, "width": 22}},
    "deit": {**_DEIT, "size": _square(24), "crop_size": _square(19)},
    "deit, crop larger": {**_DEIT, "size": _square(15), "crop_size": _square(22)},
    "no resize": {**_DEIT, "do_resize": False, "crop_size": _square(16)},
    "no resize, odd crop": {
        **_DEIT, "do_resize": False, "crop_size": {"height": 17, "width": 30}
    },
    "convnext cropped": _convnext(19, 0.875),
    "convnext cropped, no rest": _convnext(21, 0.75),
    "convnext warped": _convnext(384, 0.875),
    "clip, crop larger": _clip(14, _square(21)),
    "clip, crop not square": _clip(16, {"height": 11, "width": 25}),
    **{f"clip {name}": _clip(18, _square(15), number) for name, number in _RESAMPLES.items()},
    **{f"vit {name}": {**_VIT, "size": _square(20), "resample": number}
       for name, number in _RESAMPLES.items()},
}  # fmt: skip

_STRANGE: dict[str, dict[str, object]] = {
    "beit": {
        "image_processor_type": "BeitImageProcessor",
        "size": _square(24),
        "crop_size": _square(20),
        "do_center_crop": True,
    },
    "efficientnet": {
        "image_processor_type": "EfficientNetImageProcessor",
        "size": _square(20),
        "rescale_offset": True,
    },
    "mobilevit": {
        "image_processor_type": "MobileViTImageProcessor",
        "size": {"shortest_edge": 24},
        "crop_size": _square(20),
    },
    "levit": {
        "image_processor_type": "LevitImageProcessor",
        "size": {"shortest_edge": 24},
        "crop_size": _square(20),
    },
}


class Pair(NamedTuple):
    """A processor of ours and the one of transformers that it stands for."""

    geometry: Geometry
    ours: Processor
    theirs: Any


def load_pair(folder: Path, config: dict[str, object], **changes: bool) -> Pair:
    """Load both from a preprocessor_config.json in `folder`; `changes` are for theirs."""
    (folder / "preprocessor_config.json").write_text(json.dumps(config))
    geometry, _ = load_processor(folder)
    theirs = AutoImageProcessor.from_pretrained(folder, backend="pil", **changes)
    assert type(theirs).__name__ == f"{config['image_processor_type']}Pil"
    return Pair(geometry, build_processor(geometry, _MAX_PIXELS), theirs)


@pytest.fixture(scope="module", params=_PLAIN)
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A processor that Geometry expresses; theirs neither scales nor normalises."""
    folder = tmp_path_factory.mktemp("plain")
    return load_pair(folder, _PLAIN[request.param], do_rescale=False, do_normalize=False)


@pytest.fixture(scope="module", params=_STRANGE)
def strange(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A processor that Geometry cannot express."""
    return load_pair(tmp_path_factory.mktemp("strange"), _STRANGE[request.param])


def make_noise(width: int, height: int) -> Image.Image:
    """Make an RGB image of noise."""
    rng = np.random.default_rng(width * 1000 + height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def wrap(image: Image.Image) -> DecodedImage:
    """Wrap an image as if it had been decoded exactly."""
    return DecodedImage(image, "PNG", image.size)


def run_theirs(pair: Pair, image: Image.Image) -> NDArray[np.generic]:
    """Run transformers' processor; gives `[height, width, 3]`."""
    pixels = np.asarray(pair.theirs(images=image, return_tensors="np")["pixel_values"][0])
    return np.moveaxis(pixels, 0, -1)


@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(width=st.integers(1, 70), height=st.integers(1, 70))
@example(width=1, height=1)
@example(width=1, height=61)
@example(width=67, height=1)
@example(width=18, height=18)
@example(width=15, height=40)
@example(width=41, height=16)
@example(width=16, height=15)
def test_pixels_equal_those_of_transformers(plain: Pair, width: int, height: int) -> None:
    """Of any image, uint8 pixels are those that transformers' processor scales."""
    image = make_noise(width, height)
    pixels = plain.ours(wrap(image))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*plain.geometry.size, 3)
    np.testing.assert_array_equal(pixels, run_theirs(plain, image))


@pytest.mark.parametrize("size", [(640, 480), (333, 500), (1023, 7)])
def test_pixels_of_a_photograph_equal_those_of_transformers(
    plain: Pair, size: tuple[int, int]
) -> None:
    """The same holds for images far larger than the pixels."""
    image = make_noise(*size)
    np.testing.assert_array_equal(plain.ours(wrap(image)), run_theirs(plain, image))


def test_a_plain_geometry_needs_no_transformers(plain: Pair) -> None:
    """What Geometry expresses is done by Pillow alone."""
    assert plain.geometry.fallback is None
    assert isinstance(plain.ours, GeometryProcessor)


@pytest.mark.parametrize("size", [(31, 47), (1, 5), (20, 20), (300, 200)])
def test_a_fallback_equals_transformers(strange: Pair, size: tuple[int, int]) -> None:
    """What Geometry cannot express is what transformers gives, scaled and normalised."""
    image = make_noise(*size)
    assert isinstance(strange.ours, FallbackProcessor)
    pixels = strange.ours(wrap(image))
    assert pixels.dtype == np.float32
    assert pixels.shape == (*strange.geometry.size, 3)
    assert pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, run_theirs(strange, image).astype(np.float32))


def test_a_crop_beyond_the_image_is_black() -> None:
    """Where the crop is larger than the image, the image is in the middle of black."""
    geometry = Geometry(size=(5, 6), resize=None, resample=2, crop=True)
    pixels = GeometryProcessor(geometry, _MAX_PIXELS)(wrap(Image.new("RGB", (2, 3), "white")))
    inside = np.zeros((5, 6), bool)
    inside[1:4, 2:4] = True
    np.testing.assert_array_equal(pixels == 255, np.repeat(inside[:, :, None], 3, axis=2))
    assert (pixels[~inside] == 0).all()


@pytest.mark.parametrize("size", [(10_000, 1), (1, 10_000)])
def test_an_elongated_image_is_too_large(size: tuple[int, int]) -> None:
    """Its short edge enlarged would make it huge, so it is refused before that."""
    geometry = Geometry(size=(224, 224), resize=256, resample=3, crop=True)
    processor = GeometryProcessor(geometry, 50_000_000)
    with pytest.raises(ImageTooLargeError, match=f"{size[0]} x {size[1]}.*less elongated"):
        processor(wrap(Image.new("RGB", size)))


def test_the_limit_of_an_enlarged_image_is_exact() -> None:
    """As many pixels as the limit pass, one column more does not."""
    geometry = Geometry(size=(4, 4), resize=10, resample=0, crop=True)
    processor = GeometryProcessor(geometry, 500)
    assert processor(wrap(Image.new("RGB", (50, 10)))).shape == (4, 4, 3)
    with pytest.raises(ImageTooLargeError):
        processor(wrap(Image.new("RGB", (51, 10))))


@pytest.mark.parametrize("size", [(64, 64), (97, 41), (30, 120), (20, 20)])
@pytest.mark.parametrize("resize", [None, 40, (36, 50)])
def test_a_crop_is_found_where_the_processor_takes_it(
    size: tuple[int, int], resize: int | tuple[int, int] | None
) -> None:
    """The pixels show the part that was found, but for rounding; the edges may be padded."""
    geometry = Geometry((32, 32), resize, Image.Resampling.BILINEAR, crop=True)
    left, top, width, height = find_crop(geometry, size) or (0, 0, 0, 0)
    ramp = np.add.outer(np.arange(size[1]) * 2, np.arange(size[0])) * 255 / (3 * max(size))
    image = Image.fromarray(ramp.astype(np.uint8)).convert("RGB")
    pixels = build_processor(geometry, 10**6)(DecodedImage(image, "PNG", size))
    box = (left, top, left + width, top + height)
    expected = image.transform((32, 32), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
    inner = np.abs(pixels.astype(int) - np.asarray(expected).astype(int))[8:-8, 8:-8]
    assert inner.max() <= 12


def test_without_a_crop_the_whole_image_is_seen() -> None:
    """Squeezed into a square or not; of a fallback it is not known."""
    assert find_crop(Geometry((8, 8), (8, 8), 2, crop=False), (30, 20)) == (0, 0, 30, 20)
    assert find_crop(Geometry((8, 8), None, 0, crop=False, fallback="{}"), (30, 20)) is None
