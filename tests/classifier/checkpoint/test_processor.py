"""Geometry here plus scaling there is bit-equal to transformers' own PIL processors."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import (
    AutoImageProcessor,
    BeitImageProcessorPil,
    CLIPImageProcessorPil,
    ConvNextImageProcessorPil,
    DeiTImageProcessorPil,
    EfficientNetImageProcessorPil,
    ViTImageProcessorPil,
)
from transformers.image_processing_utils import BaseImageProcessor

from app.backend import Geometry
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.processor import load_processor
from app.classifier.engines.network import Normalizer
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.errors import CheckpointError
from app.images.decoder import DecodedImage
from app.images.geometry import build_processor
from tests.support.checkpoints import copy_checkpoint, edit_json
from tests.support.pictures import draw_image

PROCESSOR = "preprocessor_config.json"
MAX_PIXELS = 10**8
SIZES = ((32, 32), (33, 47), (200, 100), (7, 90), (64, 64), (1, 1), (101, 3))
SQUARE = {"height": 32, "width": 32}
CROP = {"do_center_crop": True, "crop_size": SQUARE}

PLAIN = {
    "vit": ViTImageProcessorPil(size=SQUARE),
    "vit-oblong": ViTImageProcessorPil(size={"height": 24, "width": 40}),
    "vit-unscaled": ViTImageProcessorPil(size=SQUARE, do_rescale=False),
    "vit-unnormalised": ViTImageProcessorPil(size=SQUARE, do_normalize=False),
    "vit-raw": ViTImageProcessorPil(size=SQUARE, do_rescale=False, do_normalize=False),
    "vit-factor-1/127.5": ViTImageProcessorPil(size=SQUARE, rescale_factor=1 / 127.5),
    "vit-factor-0.1": ViTImageProcessorPil(size=SQUARE, rescale_factor=0.1),
    "vit-factor-1": ViTImageProcessorPil(size=SQUARE, rescale_factor=1),
    "vit-nearest": ViTImageProcessorPil(size=SQUARE, resample=0),
    "vit-lanczos": ViTImageProcessorPil(size=SQUARE, resample=1),
    "vit-box": ViTImageProcessorPil(size=SQUARE, resample=4),
    "vit-short-edge": ViTImageProcessorPil(size={"shortest_edge": 40}, **CROP),
    "vit-crop-alone": ViTImageProcessorPil(do_resize=False, **CROP),
    "vit-crop-outside": ViTImageProcessorPil(size={"height": 24, "width": 29}, **CROP),
    "vit-imagenet": ViTImageProcessorPil(
        size=SQUARE, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    ),
    "vit-one-mean": ViTImageProcessorPil(size=SQUARE, image_mean=0.45, image_std=0.225),
    "deit": DeiTImageProcessorPil(size={"height": 41, "width": 41}, crop_size=SQUARE),
    "deit-uncropped": DeiTImageProcessorPil(size=SQUARE, do_center_crop=False),
    "deit-unscaled": DeiTImageProcessorPil(size=SQUARE, crop_size=SQUARE, do_rescale=False),
    "convnext": ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=0.875),
    "convnext-0.9": ConvNextImageProcessorPil(size={"shortest_edge": 30}, crop_pct=0.9),
    "convnext-1": ConvNextImageProcessorPil(size={"shortest_edge": 32}, crop_pct=1.0),
    "convnext-warped": ConvNextImageProcessorPil(size={"shortest_edge": 384}),
    "convnext-raw": ConvNextImageProcessorPil(
        size={"shortest_edge": 32}, crop_pct=0.875, do_rescale=False, do_normalize=False
    ),
    "clip": CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=SQUARE),
}
STRANGE = {
    "beit": BeitImageProcessorPil(size={"height": 40, "width": 40}, **CROP),
    "efficientnet": EfficientNetImageProcessorPil(size=SQUARE, rescale_offset=True),
    "convnext-unresized": ConvNextImageProcessorPil(do_resize=False, **CROP),
    "vit-padded": ViTImageProcessorPil(size=SQUARE, do_pad=True, pad_size=SQUARE),
}


def read_expected(folder: Path, image: Image.Image) -> NDArray[np.generic]:
    """Run transformers' own PIL processor: `[1, 3, height, width]`."""
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    return np.asarray(processor(images=image, return_tensors="np")["pixel_values"])


def run_split(folder: Path, image: Image.Image) -> NDArray[np.float32]:
    """Run geometry and scaling, as ingress and classifier do: `[1, 3, height, width]`."""
    geometry, scaling = load_processor(folder)
    decoded = DecodedImage(image, "PNG", image.size)
    pixels = build_processor(geometry, MAX_PIXELS)(decoded)
    normalize = Normalizer(scaling, torch.device("cpu"))
    return np.asarray(normalize(torch.from_numpy(np.stack([pixels]))).numpy())


def save(processor: BaseImageProcessor, folder: Path) -> Path:
    """Save a processor, and nothing else."""
    processor.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", PLAIN)
def test_pixels_are_bit_equal_to_transformers(name: str, tmp_path: Path) -> None:
    """Every pixel that the model sees is, bit for bit, the one that transformers computes."""
    folder = save(PLAIN[name], tmp_path)
    for size in SIZES:
        image = draw_image(size)
        ours = run_split(folder, image)
        assert ours.dtype == np.float32
        assert np.array_equal(ours, read_expected(folder, image)), size


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_processor_sends_bytes(name: str, tmp_path: Path) -> None:
    """What the geometry can express travels as uint8 of the size that it names."""
    geometry, _ = load_processor(save(PLAIN[name], tmp_path))
    assert geometry.fallback is None
    image = DecodedImage(draw_image((60, 50)), "PNG", (60, 50))
    pixels = build_processor(geometry, MAX_PIXELS)(image)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*geometry.size, 3)


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_processor_falls_back_and_stays_bit_equal(name: str, tmp_path: Path) -> None:
    """A processor with steps of its own runs as it is, and nothing is scaled twice."""
    folder = save(STRANGE[name], tmp_path)
    geometry, scaling = load_processor(folder)
    assert geometry.fallback is not None
    assert (scaling.factor, scaling.mean, scaling.std) == (None, None, None)
    image = draw_image((60, 50))
    assert np.array_equal(run_split(folder, image), read_expected(folder, image))


def test_each_byte_is_scaled_as_numpy_does(tmp_path: Path) -> None:
    """All 256 values in all channels come out bit-equal, for the factor and means of ImageNet."""
    folder = save(PLAIN["vit-imagenet"], tmp_path)
    _, scaling = load_processor(folder)
    values = np.repeat(np.arange(256, dtype=np.uint8), 12).reshape(1, 32, 32, 3)
    ours = Normalizer(scaling, torch.device("cpu"))(torch.from_numpy(values)).numpy()
    assert np.array_equal(ours, read_expected(folder, Image.fromarray(values[0])))


def test_a_2023_processor_of_a_feature_extractor_is_read(vit: Path, tmp_path: Path) -> None:
    """`feature_extractor_type` and a size that is one number, as a 2023 trainer wrote them."""
    folder = copy_checkpoint(vit, tmp_path / "old")
    old = {
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "ViTFeatureExtractor",
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 2,
        "size": 224,
    }
    (folder / PROCESSOR).write_text(json.dumps(old))
    geometry, scaling = load_processor(folder)
    assert geometry == Geometry((224, 224), (224, 224), 2, crop=False)
    assert scaling.factor == pytest.approx(1 / 255)
    image = draw_image((60, 50))
    assert np.array_equal(run_split(folder, image), read_expected(folder, image))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": {"shortest_edge": 32}},
        {"do_resize": False},
        {"size": {"longest_edge": 32, "shortest_edge": 16}},
    ],
)
def test_a_size_that_differs_from_image_to_image_is_refused(
    vit: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    """Only pixels of one fixed size can be batched; the message says what to set."""
    folder = copy_checkpoint(vit, tmp_path / "mine")
    edit_json(folder / PROCESSOR, **changes)
    message = fail(folder)
    assert "one fixed size" in message
    assert "Set do_center_crop, or a height and width" in message


@pytest.mark.parametrize(
    "changes",
    [
        {"size": {"height": -3, "width": 4}},
        {"size": {"height": 0, "width": 4}},
        {"size": {"foo": 4}},
        {"size": "x"},
        {"image_mean": [0.5]},
        {"image_mean": None},
        {"resample": 77},
        {"do_center_crop": True},
        {"image_processor_type": "NoSuchProcessor"},
    ],
)
def test_a_processor_that_makes_no_sense_is_told(
    vit: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    """Whatever transformers makes of a wrong processor ends in one line."""
    folder = copy_checkpoint(vit, tmp_path / "mine")
    edit_json(folder / PROCESSOR, **changes)
    message = fail(folder)
    assert str(folder) in message
    assert "VITRINE_PROCESSOR" in message


def test_a_processor_of_another_size_than_the_model_is_refused(vit: Path, tmp_path: Path) -> None:
    """Pixels that the model cannot take are found at the start and not at the first request."""
    folder = copy_checkpoint(vit, tmp_path / "mine")
    edit_json(folder / PROCESSOR, size={"height": 40, "width": 48})
    with pytest.raises(CheckpointError, match=r"40 x 48 pixels .* Set VITRINE_PROCESSOR") as caught:
        Model(open_checkpoint(str(folder)), EngineOptions("cpu"))
    assert "\n" not in str(caught.value)
    assert logging.getLogger().isEnabledFor(logging.WARNING)  # OpenVINO leaves it at errors


def fail(folder: Path) -> str:
    """Fail to load a processor; gives the message, which must be one line."""
    with pytest.raises(CheckpointError) as caught:
        load_processor(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message
