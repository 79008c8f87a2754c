"""Whether a map is of the label and of the model: the pointing game, and a randomised head."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from bench.studies.explain.curves import Pictures, Values
from bench.studies.explain.pictures import PictureSet, make_mosaics
from bench.studies.explain.rivals import Method
from bench.studies.explain.subject import Subject

MOSAICS = 120
SEED = 31
BATCH = 64


def run_in_batches(method: Method, pixels: Pictures, labels: NDArray[np.int64]) -> Values:
    """Run a method on any number of pictures."""
    starts = range(0, len(pixels), BATCH)
    parts = [method(pixels[at : at + BATCH], labels[at : at + BATCH]) for at in starts]
    return np.concatenate(parts)


def play_pointing(
    subject: Subject, pictures: PictureSet, methods: dict[str, Method]
) -> dict[str, list[float]]:
    """Return for each method and label of each mosaic the share of relevance in its quarter.

    Zhang et al., ECCV 2016, on a grid as Boehle et al., CVPR 2021. Only labels that the model sees
    there count: the four are among its first six.
    """
    mosaics, labels, quarters = [], [], []
    for pixels, four in make_mosaics(pictures, MOSAICS):
        first = np.argsort(-subject.run(pixels[None])[0])[:6]
        for quarter, label in enumerate(four):
            if label in first:
                mosaics.append(pixels)
                labels.append(label)
                quarters.append(quarter)
    shares: dict[str, list[float]] = {}
    for name, method in methods.items():
        maps = run_in_batches(method, np.stack(mosaics), np.array(labels))
        shares[name] = [_share(one, quarter) for one, quarter in zip(maps, quarters, strict=True)]
    return shares


def _share(relevance: Values, quarter: int) -> float:
    """Return the share of relevance `[rows, columns]` in a quarter; a quarter of an empty map."""
    half = relevance.shape[0] // 2
    row, column = divmod(quarter, 2)
    inside = relevance[row * half : (row + 1) * half, column * half : (column + 1) * half]
    total = float(relevance.sum())
    return float(inside.sum()) / total if total else 0.25


def compare_with_random_head(
    subject: Subject, pictures: PictureSet, methods: dict[str, Method]
) -> dict[str, float]:
    """Return the mean rank correlation of maps with those of a head of random weights.

    Adebayo et al., NeurIPS 2018: a map that stays the same does not depend on what was learnt.
    """
    pixels, labels = pictures.pixels, pictures.labels
    before = {name: run_in_batches(one, pixels, labels) for name, one in methods.items()}
    weight = subject.head.weight.clone()
    generator = torch.Generator().manual_seed(SEED)
    subject.head.weight.copy_(weight.std() * torch.randn(weight.shape, generator=generator))
    after = {name: run_in_batches(one, pixels, labels) for name, one in methods.items()}
    subject.head.weight.copy_(weight)
    return {name: _correlate(before[name], after[name]) for name in methods}


def _correlate(maps: Values, others: Values) -> float:
    """Return the mean of Spearman's correlation of pairs of maps that are not constant."""
    pairs = [
        (one.ravel(), other.ravel())
        for one, other in zip(maps, others, strict=True)
        if np.ptp(one) and np.ptp(other)
    ]
    return float(np.mean([spearmanr(one, other).statistic for one, other in pairs]))
