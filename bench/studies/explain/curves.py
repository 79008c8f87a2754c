"""How faithful maps are: what happens to the label's probability when patches are covered.

deletion    mean probability while patches are covered, the most relevant first; low is good
insertion   the same while they are uncovered, from a picture that is covered whole; high is good
SaCo        Wu et al., CVPR 2024: whether ten groups of patches, ranked by their relevance, change
            the probability in that order, -1 to 1
ROAD        Rong et al., ICML 2022: covered patches are filled in from their surroundings
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from bench.studies.explain.subject import Subject

STEPS = 10
GROUPS = 10
BLUR = 0.15
"""Radius of the blur, as a share of the picture's edge."""

Pictures = NDArray[np.uint8]
Values = NDArray[np.float32]


def blur(pixels: Pictures) -> Pictures:
    """Blur each picture until nothing is to be read in it."""
    radius = BLUR * pixels.shape[1]
    images = (Image.fromarray(one).filter(ImageFilter.GaussianBlur(radius)) for one in pixels)
    return np.stack([np.asarray(image) for image in images])


def fill_mean(pixels: Pictures) -> Pictures:
    """Fill each picture with its mean colour."""
    means = pixels.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
    return np.broadcast_to(means, pixels.shape)


BASELINES: dict[str, Callable[[Pictures], Pictures]] = {"blur": blur, "mean": fill_mean}
"""What covers a patch. Black would favour the centre: the edge of a digit is black already."""


def rank_patches(maps: Values) -> NDArray[np.int64]:
    """Rank patches `[n, rows, columns]` by falling relevance; 0 is the most relevant.

    Equal patches come in the same random order for every method.
    """
    count = maps[0].size
    order = np.random.default_rng(0).permutation(count)
    shuffled = maps.reshape(len(maps), -1)[:, order]
    ranks = np.empty(shuffled.shape, np.int64)
    np.put_along_axis(ranks, order[np.argsort(-shuffled, axis=1, kind="stable")], _count(ranks), 1)
    return ranks.reshape(maps.shape)


def _count(like: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, 2, ... in every row."""
    return np.broadcast_to(np.arange(like.shape[1]), like.shape)


def enlarge(mask: NDArray[np.bool_], patch: int) -> NDArray[np.bool_]:
    """Enlarge a mask of patches `[n, rows, columns]` to pixels `[n, height, width, 1]`."""
    return mask.repeat(patch, axis=1).repeat(patch, axis=2)[..., None]


def trace_curves(
    subject: Subject, pixels: Pictures, labels: NDArray[np.int64], maps: Values, base: Pictures
) -> tuple[Values, Values]:
    """Return deletion and insertion `[n]`: the mean probability over STEPS and both ends."""
    ranks = rank_patches(maps)
    thresholds = np.linspace(0, maps[0].size, STEPS + 1).round()
    deletion, insertion = (np.zeros((len(thresholds), len(pixels)), np.float32) for _ in "di")
    for step, threshold in enumerate(thresholds):
        mask = enlarge(ranks < threshold, subject.patch)
        deletion[step] = subject.score(np.where(mask, base, pixels), labels)
        insertion[step] = subject.score(np.where(mask, pixels, base), labels)
    return tuple((curve[1:] + curve[:-1]).mean(axis=0) / 2 for curve in (deletion, insertion))


def measure_saco(
    subject: Subject, pixels: Pictures, labels: NDArray[np.int64], maps: Values, base: Pictures
) -> Values:
    """Return the salience-guided faithfulness coefficient `[n]`."""
    ranks = rank_patches(maps)
    groups = ranks * GROUPS // maps[0].size
    whole = subject.score(pixels, labels)
    salience, drops = [], []
    for group in range(GROUPS):
        mask = groups == group
        salience.append(np.where(mask, maps, 0).sum(axis=(1, 2)))
        covered = np.where(enlarge(mask, subject.patch), base, pixels)
        drops.append(whole - subject.score(covered, labels))
    agreed, total = np.zeros(len(pixels)), np.zeros(len(pixels))
    for one, other in _list_pairs():
        gap = salience[one] - salience[other]
        agreed += np.where(drops[one] >= drops[other], gap, -gap)
        total += np.abs(gap)
    return np.divide(agreed, total, out=np.zeros(len(pixels)), where=total > 0).astype(np.float32)


def _list_pairs() -> Iterator[tuple[int, int]]:
    """List pairs of groups, the more relevant first."""
    for one in range(GROUPS):
        for other in range(one + 1, GROUPS):
            yield one, other
