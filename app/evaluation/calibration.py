"""Whether scores are probabilities: calibration error, and the temperature that corrects it.

After Guo et al., On Calibration of Modern Neural Networks (2017): of the images whose best score
is about 0.8, are 80% right? The error (ECE) is the mean gap. Dividing the logits by one number, the
temperature, narrows it and changes no best label. Temperature scaling is for softmax.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.backend import Logits
from app.evaluation.metrics import Ids, compute_nll, score_all

BINS = 15

MAX_TEMPERATURE = 20.0
"""Temperatures are from 1/20 to 20."""

MAX_LOGITS = 1 << 24
"""Logits that a temperature is fitted to; more would make it no better, only slower."""

GRID, STEPS = 13, 24
"""Temperatures that are tried at first, and steps to the best one between its neighbours."""

PRIOR = 1.0
"""Weight of an image that holds the temperature at 1: it decides for few or perfect images."""

NOT_PROBABILITIES = "does not apply: the scores are no softmax"

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Reliability:
    """Images by their best score, in bins of equal width from 0 to 1.

    Attributes:
        counts: images `[bins]`.
        confidence: their mean best score; NaN in an empty bin.
        accuracy: share of them whose best label is theirs; NaN in an empty bin.
    """

    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error, 0 to 1: the mean gap, weighted by images."""
        gaps = np.nan_to_num(np.abs(self.confidence - self.accuracy))
        return float((self.counts * gaps).sum() / max(1, self.counts.sum()))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What temperature scaling gives.

    Attributes:
        temperature: fitted to all images.
        ece_before: the calibration error as it is.
        ece_after: with a temperature that was fitted to the other half of the images.
        images: number of images.
    """

    temperature: float
    ece_before: float
    ece_after: float
    images: int


def compute_ece(scores: NDArray[np.float32], label_ids: Ids, bins: int = BINS) -> float:
    """Compute the expected calibration error, 0 to 1, of scores `[n, labels]`."""
    return reliability(scores, label_ids, bins).error


def reliability(scores: NDArray[np.float32], label_ids: Ids, bins: int = BINS) -> Reliability:
    """Compare best scores with how often they are right; scores are `[n, labels]`, 0 to 1."""
    return bin_scores(scores.max(-1), scores.argmax(-1) == label_ids, bins)


def bin_scores(
    best: NDArray[np.float32], is_right: NDArray[np.bool_], bins: int = BINS
) -> Reliability:
    """Put images into bins by their best score `[n]`; a score on an edge is in the lower bin."""
    places = np.clip(np.ceil(best * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN
        confidence = np.bincount(places, best.astype(np.float64), bins) / counts
        accuracy = np.bincount(places, is_right.astype(np.float64), bins) / counts
    return Reliability(counts, confidence, accuracy)


def fit_temperature(logits: Logits, label_ids: Ids) -> float:
    """Fit a temperature by the likelihood of the true labels under softmax.

    A prior holds it near 1 where images are few, or all are right by far: the likelihood alone
    would then drive it to 0.

    Args:
        logits: `[n, labels]` float32, finite; none gives 1.
        label_ids: true ids `[n]`.
    """
    if not len(logits) or logits.shape[1] < 2:  # noqa: PLR2004 - one label is always right
        return 1.0
    step = -(-logits.size // MAX_LOGITS)
    logits, label_ids, weight = logits[::step], label_ids[::step], PRIOR / len(logits)

    def measure(power: float) -> float:
        return compute_nll(logits, label_ids, math.exp(power)) + weight * power**2

    limit = math.log(MAX_TEMPERATURE)
    grid = np.linspace(-limit, limit, GRID).tolist()
    best = min(range(GRID), key=[measure(power) for power in grid].__getitem__)
    low, high = grid[max(0, best - 1)], grid[min(GRID - 1, best + 1)]
    for _ in range(STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if measure(left) <= measure(right) else (left, high)
    return math.exp((low + high) / 2)


def calibrate(logits: Logits, label_ids: Ids) -> Calibration:
    """Fit a temperature, and measure what one gives to images that it was not fitted to.

    The halves are every other image, which is fair to all labels where images are sorted by them.
    """
    halves = (slice(0, None, 2), slice(1, None, 2))
    scores = np.empty_like(logits)
    for half, other in zip(halves, reversed(halves), strict=True):
        temperature = fit_temperature(logits[other], label_ids[other])
        scores[half] = score_all(logits[half], "softmax", temperature)
    return Calibration(
        temperature=fit_temperature(logits, label_ids),
        ece_before=compute_ece(score_all(logits, "softmax"), label_ids),
        ece_after=compute_ece(scores, label_ids),
        images=len(logits),
    )
