"""The study of explanations: its measures on maps whose worth is known, and its pictures."""

from typing import cast

import numpy as np
import pytest
import torch

from bench.studies.explain.curves import (
    BASELINES,
    Pictures,
    Values,
    enlarge,
    measure_saco,
    rank_patches,
    trace_curves,
)
from bench.studies.explain.intervals import Bootstrap
from bench.studies.explain.pictures import make_crops, make_digits, make_mosaics
from bench.studies.explain.rivals import CEILING, DEFAULT, build_methods
from bench.studies.explain.road import impute, measure_road
from bench.studies.explain.sanity import compare_with_random_head
from bench.studies.explain.subject import Subject

SIDE, PATCH = 16, 4


class Brightness:
    """A subject whose probability is a weighted mean of the patches' brightness."""

    patch = PATCH

    def __init__(self) -> None:
        self.weights = np.random.default_rng(1).random((4, 4))

    def score(
        self, pixels: Pictures, labels: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    ) -> Values:
        """Score pictures."""
        assert len(pixels) == len(labels)
        patches = pixels[..., 0].reshape(-1, 4, PATCH, 4, PATCH).mean(axis=(2, 4)) / 255
        found: Values = (patches * self.weights).sum(axis=(1, 2)).astype(np.float32)
        return found / np.float32(self.weights.sum())


@pytest.fixture(scope="module")
def digits() -> Subject:
    """The bundled checkpoint."""
    torch.set_num_threads(1)
    return Subject("bundled")


def test_patches_rank_by_falling_relevance() -> None:
    """Each rank is given once; equal patches rank alike for every method."""
    maps = np.array([[[0.1, 0.9], [0.5, 0.3]]], np.float32)
    assert rank_patches(maps).tolist() == [[[3, 0], [1, 2]]]
    equal = rank_patches(np.zeros((2, 4, 4), np.float32))
    assert (equal[0] == equal[1]).all()
    assert sorted(equal[0].ravel()) == list(range(16))


def test_the_true_map_is_the_most_faithful() -> None:
    """By each measure it is above a random map, and its opposite below."""
    subject = Brightness()
    pixels = np.full((3, SIDE, SIDE, 3), 250, np.uint8)
    labels, base = np.zeros(3, np.int64), np.zeros_like(pixels)
    true = np.repeat(subject.weights[None], 3, axis=0).astype(np.float32)
    random = np.random.default_rng(2).random(true.shape, np.float32)
    judged = []
    for maps in (true, random, 1 - true):
        given = (cast("Subject", subject), pixels, labels, maps, base)
        deletion, insertion = trace_curves(*given)
        judged.append(((insertion - deletion).mean(), measure_saco(*given).mean()))
    for best, middle, worst in zip(*judged, strict=True):
        assert best > middle > worst
    assert judged[0][1] > 0.9
    assert judged[0][0] == pytest.approx(-judged[2][0], abs=1e-4)


def test_a_removed_patch_is_filled_from_around_it() -> None:
    """In a picture of one colour nothing is to be seen of it but noise; the rest stays."""
    pixels = np.full((1, SIDE, SIDE, 3), 100, np.uint8)
    mask = np.zeros((1, 4, 4), np.bool_)
    mask[0, 1:3, 1] = mask[0, 3, 3] = True
    removed = enlarge(mask, PATCH)[..., 0]
    filled = impute(pixels, removed, np.random.default_rng(0))
    assert (filled[~removed] == 100).all()
    assert np.abs(filled[removed].astype(int) - 100).max() < 15
    assert np.ptp(filled[removed]) > 0
    ramp = np.broadcast_to(
        np.arange(0, 160, 10).astype(np.uint8)[None, :, None, None], pixels.shape
    )
    inside = np.abs(impute(ramp, removed, np.random.default_rng(0)).astype(int) - ramp)
    assert inside[0, 4:12, 4:8].max() < 25


def test_road_tells_a_true_map_from_its_opposite() -> None:
    """Here only the size of what is removed around it counts, so the sign is what is sure."""
    subject = Brightness()
    random = np.random.default_rng(3)
    pixels = random.integers(0, 256, (6, 4, 4, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
    bright = pixels[:, ::PATCH, ::PATCH, 0] / 255 * subject.weights
    maps = bright.astype(np.float32)
    labels = np.zeros(6, np.int64)
    scores = [
        measure_road(cast("Subject", subject), pixels, labels, one).mean() for one in (maps, -maps)
    ]
    assert scores[0] > 0 > scores[1]


def test_intervals_resample_sources() -> None:
    """Pictures of one source count as one: ten copies of a picture are no ten pictures."""
    random = np.random.default_rng(0)
    values = random.normal(size=40)
    alone = Bootstrap(np.arange(40)).find_interval(values)
    copied = Bootstrap(np.arange(40).repeat(10)).find_interval(values.repeat(10))
    assert alone == pytest.approx(copied, abs=1e-4)
    assert alone[1] < alone[0] < alone[2]
    better = Bootstrap(np.arange(40)).compare({"one": values + 1, "other": values}, "one")
    assert better == {"other": (1, 1, 1)}


def test_held_out_crops_share_no_cell_with_those_of_training() -> None:
    """Nor does a seed change which cells are held out."""
    held, trained = (make_crops(300, 0, held_out=one).sources for one in (True, False))
    assert not set(held) & set(trained)
    assert make_crops(5, 1, held_out=True).pixels.shape == (5, 48, 48, 3)


def test_digits_are_read_twice(digits: Subject) -> None:
    """As they are and moved; the model reads nearly all of both."""
    pictures = make_digits()
    half = len(pictures.labels) // 2
    assert (pictures.sources[:half] == pictures.sources[half:]).all()
    right = digits.run(pictures.pixels).argmax(axis=1) == pictures.labels
    assert right[:half].mean() > 0.98
    assert right[half:].mean() > 0.95


def test_a_mosaic_has_four_labels() -> None:
    """Each in a quarter of its own."""
    for pixels, labels in make_mosaics(make_digits(), 3):
        assert pixels.shape == (32, 32, 3)
        assert len(set(labels)) == 4


def test_every_method_gives_maps_of_the_patches(digits: Subject) -> None:
    """From 0 to 1; the service's is not the paper's, but near it."""
    pictures = make_digits().select(np.arange(4))
    methods = build_methods(digits)
    found = {name: one(pictures.pixels, pictures.labels) for name, one in methods.items()}
    for maps in found.values():
        assert maps.shape == (4, 8, 8)
        assert maps.min() >= 0
        assert maps.max() == pytest.approx(1, abs=0.1)
    own, paper = found[DEFAULT].ravel(), found[CEILING].ravel()
    assert 0.8 < np.corrcoef(own, paper)[0, 1] < 1
    kept = digits.head.weight.clone()
    few = {name: methods[name] for name in (DEFAULT, "rollout")}
    correlations = compare_with_random_head(digits, pictures, few)
    assert correlations["rollout"] == pytest.approx(1)
    assert correlations[DEFAULT] < 0.7
    assert torch.equal(digits.head.weight, kept)


def test_the_baselines_hide_a_picture() -> None:
    """Blurred or in its mean colour, it keeps its brightness and little else."""
    pixels = make_digits().pixels[:5]
    for cover in BASELINES.values():
        covered = cover(pixels)
        assert covered.shape == pixels.shape
        assert covered.std() < 0.6 * pixels.std()
