"""Holds samples out: the same share of each label, by a seed."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from app.datasets.sample import Sample

Parts = tuple[tuple[Sample, ...], tuple[Sample, ...]]
"""What is trained on, and what is held out."""


def hold_out(samples: Mapping[str, Sequence[Sample]], share: float, seed: int) -> Parts:
    """Hold out a share of each label's samples: at least one, and never the last.

    A label with one sample has none held out. Both parts keep the order of the samples, and with
    one seed a label's part does not depend on the other labels.

    Args:
        samples: by label.
        share: 0 to 1; with 0 nothing is held out.
        seed: any number.
    """
    parts = [_split(found, share, seed) for found in samples.values()]
    train, held_out = (tuple(chain.from_iterable(part)) for part in zip(*parts, strict=True))
    return train, held_out


def _split(samples: Sequence[Sample], share: float, seed: int) -> Parts:
    """Split the samples of one label."""
    wanted = max(1, round(share * len(samples))) if share > 0 else 0
    count = min(wanted, len(samples) - 1)
    order = np.random.default_rng(seed).permutation(len(samples))
    held = set(order[:count].tolist())
    train = tuple(one for index, one in enumerate(samples) if index not in held)
    return train, tuple(samples[index] for index in sorted(held))
