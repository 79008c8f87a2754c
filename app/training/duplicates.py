"""Near-duplicates: images that are almost the same in the training and the held-out part.

Candidates have difference hashes (64 bits: is a point darker than the one beside it?) at most
MAX_BITS apart; two hashes that near have at least one of BANDS parts in common, so that few pairs
are compared. Candidates count where their thumbnails are as alike too.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_SIDE = 16
MAX_BITS = 3
BANDS = MAX_BITS + 1
MAX_DIFFERENCE = 3.0
"""Mean difference of two thumbnails' grey levels, 0 to 255, for near-duplicates."""

MAX_CANDIDATES = 64
"""Training images that a held-out one is compared with in each band: many only where images are
alike as a kind (blank ones, the same form), and any of them is found then."""

Hashes = NDArray[np.uint64]
Thumbnails = NDArray[np.uint8]


class Pair(NamedTuple):
    """Near-duplicates.

    Attributes:
        train: place of the training image.
        held_out: place of the held-out image.
        difference: mean difference of their grey levels, 0 to 255.
    """

    train: int
    held_out: int
    difference: float


def hash_image(image: Image.Image) -> tuple[np.uint64, Thumbnails]:
    """Hash an image; gives 64 bits and the thumbnail `[THUMBNAIL_SIDE ** 2]`."""
    grey = image.convert("L")
    points = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    bits = np.packbits(points[:, 1:] > points[:, :-1])
    size = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    thumbnail = np.asarray(grey.resize(size, Image.Resampling.BOX)).reshape(-1)
    return bits.view(np.uint64)[0], thumbnail


def find_duplicates(
    train: tuple[Hashes, Thumbnails], held_out: tuple[Hashes, Thumbnails]
) -> list[Pair]:
    """Find the most alike training image of each held-out one, if it is a near-duplicate.

    Args:
        train: hashes `[n]` and thumbnails `[n, THUMBNAIL_SIDE ** 2]`.
        held_out: the same.
    """
    best: dict[int, Pair] = {}
    for place, candidates in _find_candidates(train[0], held_out[0]):
        thumbnail = held_out[1][place].astype(np.float32)
        differences = np.abs(train[1][candidates] - thumbnail).mean(-1)
        found = Pair(int(candidates[differences.argmin()]), place, float(differences.min()))
        if found.difference <= MAX_DIFFERENCE:
            best[place] = min(found, best.get(place, found), key=lambda pair: pair.difference)
    return sorted(best.values(), key=lambda pair: (pair.difference, pair.held_out))


def _find_candidates(train: Hashes, held_out: Hashes) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Find training images whose hashes are near, by the parts that hashes have in common."""
    ours, theirs = (one.view(np.uint16).reshape(-1, BANDS) for one in (train, held_out))
    for band in range(BANDS):
        order = np.argsort(ours[:, band], kind="stable")
        keys = ours[order, band]
        first, last = (np.searchsorted(keys, theirs[:, band], side) for side in ("left", "right"))
        for place in np.flatnonzero(last > first):
            some = order[first[place] : last[place]]
            apart = np.bitwise_count(train[some] ^ held_out[place])
            near = some[np.argsort(apart, kind="stable")[:MAX_CANDIDATES]]
            near = near[np.bitwise_count(train[near] ^ held_out[place]) <= MAX_BITS]
            if len(near):
                yield int(place), near
