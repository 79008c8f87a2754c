"""Occlusion: parts of an image are covered one by one."""

import numpy as np
import pytest

from app.backend import Logits, Pixels
from app.classifier.explanation.occlusion import measure_drops, occlude


def test_each_copy_has_one_part_in_the_mean_colour() -> None:
    """The parts cover the image, each pixel once."""
    pixels = np.random.default_rng(0).integers(0, 200, (30, 50, 3), dtype=np.uint8)
    pixels[..., 2] = 220  # so that the mean colour is met nowhere
    colour = pixels.mean(axis=(0, 1)).astype(np.uint8)
    whole, *copies = occlude(pixels)
    assert (whole == pixels).all()
    assert len(copies) == 49
    changed = np.stack([(copy != pixels).any(axis=-1) for copy in copies])
    assert changed.sum(axis=0).max() == 1
    covered = np.stack([(copy == colour).all(axis=-1) for copy in copies])
    assert (covered.sum(axis=0) >= 1).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_a_label_needs_falls_most(dtype: type[np.uint8] | type[np.float32]) -> None:
    """A model that adds up one corner has a map of that corner alone."""

    def run(pixels: Pixels) -> Logits:
        corner = pixels[:, :4, 24:, 0].astype(np.float32).mean(axis=(1, 2))
        return np.stack([corner, -corner], axis=1)

    pixels = np.zeros((28, 28, 3), dtype)
    pixels[:4, 24:] = 100
    logits, drops = measure_drops(run, pixels)  # type: ignore[arg-type] # one dtype or the other
    assert logits.tolist() == [100, -100]
    assert drops.shape == (2, 7, 7)
    assert drops[0].argmax() == 6
    assert np.count_nonzero(drops) == 2


def test_a_small_image_has_a_part_for_each_pixel() -> None:
    """Where there are fewer than seven."""
    assert len(occlude(np.zeros((4, 28, 3), np.uint8))) == 1 + 4 * 7
