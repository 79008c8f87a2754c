"""ROAD (Rong et al., ICML 2022): patches are removed and filled in from their surroundings.

A removed pixel is the weighted mean of its eight neighbours, 1/6 of those beside it and 1/12 of
the diagonal ones, with a little noise: a linear system, solved for all removed pixels at once.
Nothing is left to tell the model where something was removed.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu

from bench.studies.explain.curves import Pictures, Values, enlarge, rank_patches
from bench.studies.explain.subject import Subject

SHARES = (0.2, 0.4, 0.6, 0.8)
"""Of the patches that are removed."""

NOISE = 2.5  # grey levels, standard deviation
SEED = 29
_NEIGHBOURS = [
    (row, column, 1 / 6 if 0 in {row, column} else 1 / 12)
    for row in (-1, 0, 1)
    for column in (-1, 0, 1)
    if (row, column) != (0, 0)
]


def measure_road(
    subject: Subject, pixels: Pictures, labels: NDArray[np.int64], maps: Values
) -> Values:
    """Return ROAD combined `[n]`.

    That is half of how much further the probability falls when the most relevant patches are
    removed than when the least relevant are, as a mean over SHARES.
    """
    ranks, count = rank_patches(maps), maps[0].size
    random = np.random.default_rng(SEED)
    total = np.zeros(len(pixels), np.float32)
    for share in SHARES:
        removed = round(share * count)
        kept = [
            subject.score(impute(pixels, enlarge(mask, subject.patch)[..., 0], random), labels)
            for mask in (ranks < removed, ranks >= count - removed)
        ]
        total += (kept[1] - kept[0]) / 2
    return (total / len(SHARES)).astype(np.float32)


def impute(pixels: Pictures, removed: NDArray[np.bool_], random: np.random.Generator) -> Pictures:
    """Fill the removed pixels `[n, height, width]` of pictures `[n, height, width, 3]`."""
    filled = pixels.astype(np.float64)
    for picture, mask in zip(filled, removed, strict=True):
        system, known = _build_system(picture, mask)
        values = splu(system).solve(known)
        picture[mask] = values + random.normal(0, NOISE, values.shape)
    return filled.round().clip(0, 255).astype(np.uint8)


def _build_system(
    picture: NDArray[np.float64], mask: NDArray[np.bool_]
) -> tuple[csc_array, NDArray[np.float64]]:
    """Build the equations of the removed pixels: a matrix, and what known neighbours add."""
    height, width = mask.shape
    number = np.full(mask.shape, -1)
    number[mask] = np.arange(mask.sum())
    rows, columns = np.nonzero(mask)
    own = np.arange(len(rows))
    known = np.zeros((len(rows), 3))
    weights = np.zeros(len(rows))
    entries = []
    for down, right, weight in _NEIGHBOURS:
        row, column = rows + down, columns + right
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        row, column, here = row[inside], column[inside], own[inside]
        weights[here] += weight
        other = number[row, column]
        is_known = other < 0
        known[here[is_known]] += weight * picture[row[is_known], column[is_known]]
        entries.append((here[~is_known], other[~is_known], np.full((~is_known).sum(), -weight)))
    entries.append((own, own, weights))
    at, to, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    return coo_array((values, (at, to)), shape=(len(own), len(own))).tocsc(), known
