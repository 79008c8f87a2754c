"""Means and their intervals: a paired bootstrap that resamples sources, not pictures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 37

Numbers = NDArray[np.floating[Any]]

Interval = tuple[float, float, float]
"""The mean, and the ends of its 95% interval."""


class Bootstrap:
    """Resamples the sources of pictures, the same for every method.

    Args:
        sources: `[n]`, the source of each picture.
    """

    def __init__(self, sources: NDArray[np.int64]) -> None:
        _, self._source = np.unique(sources, return_inverse=True)
        count = int(self._source.max()) + 1
        random = np.random.default_rng(SEED)
        self._weights = random.multinomial(count, np.full(count, 1 / count), RESAMPLES)
        self._sizes = np.bincount(self._source)

    def find_interval(self, values: Numbers) -> Interval:
        """Return the mean of `[n]` values and its interval."""
        sums = np.bincount(self._source, values)
        means = (self._weights @ sums) / (self._weights @ self._sizes)
        low, high = np.percentile(means, [2.5, 97.5])
        return round(float(np.mean(values)), 4), round(float(low), 4), round(float(high), 4)

    def compare(self, values: Mapping[str, Numbers], with_: str) -> dict[str, Interval]:
        """Return how much more than each other one method has, by its name."""
        return {
            name: self.find_interval(values[with_] - other)
            for name, other in values.items()
            if name != with_
        }
