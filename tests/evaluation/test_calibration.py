"""Calibration: the error by its definition, and a temperature that is found again."""

import numpy as np
import pytest

from app.evaluation.calibration import (
    MAX_TEMPERATURE,
    calibrate,
    compute_ece,
    fit_temperature,
    reliability,
)
from app.evaluation.metrics import Ids, compute_nll, score_all


def draw(count: int, labels: int = 10, seed: int = 0) -> tuple[np.ndarray, Ids]:
    """Draw logits, and labels by the probabilities that they give: calibrated by construction."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, labels)).astype(np.float32)
    sums = score_all(logits, "softmax").cumsum(-1)
    ids = (rng.random((count, 1)) > sums).sum(-1).clip(0, labels - 1)
    return logits, ids


def test_the_error_is_the_mean_gap_of_the_bins() -> None:
    """By hand: four images of 0.9, of which three are right, and two of 0.55, of which one is."""
    scores = np.array([[0.9, 0.1]] * 4 + [[0.45, 0.55]] * 2, np.float32)
    ids = np.array([0, 0, 0, 1, 1, 0])
    assert compute_ece(scores, ids) == pytest.approx((4 * 0.15 + 2 * 0.05) / 6, abs=1e-6)
    found = reliability(scores, ids, bins=10)
    assert found.counts.tolist() == [0, 0, 0, 0, 0, 2, 0, 0, 4, 0]
    assert np.isnan(found.accuracy[0])


def test_scores_of_0_and_1_have_a_bin() -> None:
    """The edges are inside; without images the error is 0."""
    assert reliability(np.array([[1.0], [0.0]], np.float32), np.array([0, 0])).counts.sum() == 2
    assert compute_ece(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)) == 0


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_spoiled_scores_is_found_again(temperature: float) -> None:
    """Logits that are too large by a factor have that factor as their temperature."""
    logits, ids = draw(20_000)
    spoiled = logits * np.float32(temperature)
    assert fit_temperature(spoiled, ids) == pytest.approx(temperature, rel=0.03)
    found = calibrate(spoiled, ids)
    assert found.ece_after < 0.015
    assert found.ece_before > 0.05 or temperature == 1
    assert found.images == 20_000


def test_the_temperature_is_the_best_one() -> None:
    """No other gives a smaller loss, as far as one can look."""
    logits, ids = draw(5_000, seed=1)
    best = fit_temperature(logits * 3, ids)
    loss = compute_nll(logits * 3, ids, best)
    others = best * np.exp(np.linspace(-1, 1, 41))
    assert all(loss <= compute_nll(logits * 3, ids, other) + 1e-5 for other in others.tolist())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1000])
@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 1e30])
@pytest.mark.parametrize("is_right", [True, False])
def test_a_temperature_is_sane_for_perfect_and_for_hopeless_images(
    count: int, size: float, *, is_right: bool
) -> None:
    """Whatever is fitted to, it is a number of reason, and nothing warns."""
    ids = np.arange(count) % 3
    logits = np.zeros((count, 3), np.float32)
    logits[np.arange(count), ids if is_right else (ids + 1) % 3] = size
    found = fit_temperature(logits, ids)
    assert 0.9 / MAX_TEMPERATURE < found < 1.1 * MAX_TEMPERATURE
    if is_right and size >= 30:
        assert found == pytest.approx(1, abs=0.05)
    assert np.isfinite(calibrate(logits, ids).ece_after)


def test_few_images_move_the_temperature_little() -> None:
    """One wrong image is no reason to spread every score."""
    logits = np.array([[2.0, 0.0]], np.float32)
    assert 1 < fit_temperature(logits, np.array([1])) < 4
