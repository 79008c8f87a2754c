"""Two maps that know no model: what a method must be better than."""

import numpy as np
from numpy.typing import NDArray

from bench.studies.explain.subject import Subject

Maps = NDArray[np.float32]

SEED = 17
CENTRE_WIDTH = 0.25
"""Standard deviation of the Gaussian, as a share of the map's edge."""


def draw_centre(subject: Subject, pixels: NDArray[np.uint8], _labels: NDArray[np.int64]) -> Maps:
    """Draw the same Gaussian for every picture."""
    side = pixels.shape[1] // subject.patch
    away = (np.arange(side) - (side - 1) / 2) / (CENTRE_WIDTH * side)
    bell = np.exp(-0.5 * away**2)
    return np.repeat(np.outer(bell, bell)[None], len(pixels), axis=0).astype(np.float32)


def draw_random(subject: Subject, pixels: NDArray[np.uint8], _labels: NDArray[np.int64]) -> Maps:
    """Draw uniform noise."""
    side = pixels.shape[1] // subject.patch
    random = np.random.default_rng(SEED)
    return random.random((len(pixels), side, side), np.float32)
