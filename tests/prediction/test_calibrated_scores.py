"""Calibrated scores: softmax of logits over the temperature, wherever scores are made."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.backend import Logits
from app.prediction.predictor import Predictor
from app.prediction.scores import choose_order, compute_scores, rank_predictions
from schemas import DEFAULT_TOP_K, Prediction, PredictOptions, Scores
from tests.support.fake_backend import DESCRIPTION, FakeBackend
from tests.support.predictors import LIMITS
from tests.support.uploads import encode_grey

TEMPERATURES = st.floats(min_value=0.001, max_value=1000, allow_nan=False)
_FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
_LOGITS = st.lists(_FLOATS, min_size=1, max_size=12).map(lambda row: np.array(row, np.float32))


def soften(logits: Logits, temperature: float) -> NDArray[np.float64]:
    """Compute the textbook formula in double precision."""
    exact = (logits.astype(np.float64) - float(logits.max())) / temperature
    exponents: NDArray[np.float64] = np.exp(exact)
    return np.asarray(exponents / exponents.sum(), np.float64)


def rank(logits: Logits, temperature: float) -> list[Prediction]:
    """Rank all labels by calibrated scores."""
    scores = compute_scores(logits, "softmax", temperature)
    labels = [str(index) for index in range(len(logits))]
    options = PredictOptions(top_k=max(len(logits), DEFAULT_TOP_K))
    return rank_predictions(scores, labels, options, choose_order(logits, temperature))


@settings(max_examples=200, derandomize=True, deadline=None)
@given(logits=_LOGITS, temperature=TEMPERATURES)
def test_calibrated_scores_are_those_of_the_formula(logits: Logits, temperature: float) -> None:
    """For any finite logits they are finite, float32, and sum to 1."""
    scores = compute_scores(logits, "softmax", temperature)
    assert scores.dtype == np.float32
    assert scores.sum() == pytest.approx(1, abs=1e-5)
    if np.abs(logits).max() < 1000 * temperature:
        np.testing.assert_allclose(scores, soften(logits, temperature), atol=1e-4)


def test_a_temperature_of_one_changes_no_bit() -> None:
    """Off is what it was before there was a calibration."""
    logits = np.random.default_rng(3).normal(0, 6, 50).astype(np.float32)
    plain = compute_scores(logits, "softmax")
    np.testing.assert_array_equal(compute_scores(logits, "softmax", 1.0), plain)
    assert choose_order(logits, 1.0) is None


@settings(max_examples=300, derandomize=True, deadline=None)
@given(logits=_LOGITS, temperature=TEMPERATURES)
@example(logits=np.array([1.0, 1.0000001], np.float32), temperature=1000.0)
@example(logits=np.array([3e38, -3e38, 2e38], np.float32), temperature=0.001)
def test_the_best_label_never_changes(logits: Logits, temperature: float) -> None:
    """It is that of the highest logit, even where float32 scores another one alike."""
    ranked = rank(logits, temperature)
    assert ranked[0].label_id == int(logits.argmax())
    scores = [one.score for one in ranked]
    assert scores == sorted(scores, reverse=True)


def test_only_softmax_is_divided() -> None:
    """Other activations have no temperature."""
    logits = np.array([-2.5, 0.0, 7.25], np.float32)
    for activation in ("sigmoid", "none"):
        plain = compute_scores(logits, activation)
        np.testing.assert_array_equal(compute_scores(logits, activation, 2.0), plain)


def test_an_answer_is_calibrated_and_its_logits_are_raw() -> None:
    """The predictions and all scores are; so is what metrics look at."""
    backend = FakeBackend(replace(DESCRIPTION, temperature=4.0))
    options = PredictOptions(scores=Scores.ALL, logits=True)
    found = asyncio.run(Predictor(backend, LIMITS).classify(encode_grey(100), options))
    raw = np.array(found.response.logits, np.float32)
    assert raw.min() < -5
    np.testing.assert_array_equal(found.logits, raw)
    np.testing.assert_allclose(found.response.scores or [], soften(raw, 4.0), rtol=1e-5)
    np.testing.assert_array_equal(found.scores, np.array(found.response.scores, np.float32))
    assert found.response.predictions[0].score == pytest.approx(soften(raw, 4.0).max())


async def test_a_temperature_that_changes_alone_is_told() -> None:
    """A Hub checkpoint keeps its commit when its calibration is switched on."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    plain = await predictor.classify(encode_grey(100), PredictOptions())
    backend.description = replace(backend.description, temperature=4.0)
    changed = await predictor.classify(encode_grey(100), PredictOptions())
    assert changed.response.predictions[0].score < plain.response.predictions[0].score
    assert (await predictor.describe()).temperature == 4.0
    assert backend.groups[-1].temperature == 1.0
    await predictor.classify(encode_grey(100), PredictOptions())
    assert backend.groups[-1].temperature == 4.0
