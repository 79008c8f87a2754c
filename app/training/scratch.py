"""A new small Vision Transformer, sized by the images that it is to learn from."""

import statistics
from collections.abc import Sequence

from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from app.datasets.fetcher import SampleFetcher
from app.datasets.picked import look_at
from app.datasets.sample import Sample
from app.images.decoder import ImageDecoder
from app.limits import Limits

PATCHES = {32: 4, 64: 8, 96: 8, 128: 8, 160: 16, 192: 16, 224: 16}
"""Sides of an input, each with the side of its patches, in pixels."""

MEASURED = 32
"""Images whose size is looked at."""


def measure_side(samples: Sequence[Sample], column: str | None, limits: Limits) -> int:
    """Measure the shorter side of typical images, in pixels; the largest input if none is readable.

    Args:
        samples: to train on.
        column: of a table, that holds the images.
        limits: of an image.
    """
    fetch = SampleFetcher(limits.max_bytes, column)
    decoder = ImageDecoder(limits.max_bytes, limits.max_pixels, limits.gap)
    some = samples[:: max(1, len(samples) // MEASURED)]
    found = look_at(some, fetch, limits.timeout_s, lambda data: min(decoder.open(data).size))
    sides = [side for side in found if side is not None]  # the survey tells of the others
    return int(statistics.median(sides)) if sides else max(PATCHES)


def build_model(
    side: int, labels: Sequence[str]
) -> tuple[ViTForImageClassification, ViTImageProcessorPil]:
    """Build a model with random weights, and its image processor.

    Args:
        side: of typical images, in pixels; the input is the next larger one of PATCHES.
        labels: names, by label id.
    """
    side = min((one for one in PATCHES if one >= side), default=max(PATCHES))
    is_tiny = side == min(PATCHES)
    width = 64 if is_tiny else 192
    config = ViTConfig(
        image_size=side,
        patch_size=PATCHES[side],
        hidden_size=width,
        num_hidden_layers=4 if is_tiny else 6,
        num_attention_heads=4 if is_tiny else 3,
        intermediate_size=2 * width,
        initializer_range=width**-0.5,  # the usual 0.02 is for wide models; small ones learn slowly
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    size = {"height": side, "width": side}
    processor = ViTImageProcessorPil(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    return ViTForImageClassification(config), processor
