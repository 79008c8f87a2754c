"""How logits become predictions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.pipelines import image_classification as pipeline

from app.backend import Activation, Description, Logits
from app.errors import InternalError, InvalidRequestError
from app.prediction.scores import compute_scores, rank_predictions
from schemas import DEFAULT_TOP_K, PredictOptions
from tests.support.fake_backend import DESCRIPTION

_FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
_LOGITS = st.lists(_FLOATS, min_size=1, max_size=12).map(lambda row: np.array(row, np.float32))


def make_description(activation: Activation, count: int = 5) -> Description:
    """Describe a classifier of `count` labels, named L0, L1 and so on."""
    labels = tuple(f"L{index}" for index in range(count))
    return replace(DESCRIPTION, labels=labels, activation=activation)


def rank(
    scores: list[float], activation: Activation = "none", **options: float
) -> list[tuple[int, float]]:
    """Rank logits; gives label ids and scores."""
    description = make_description(activation, len(scores))
    chosen = PredictOptions.model_validate(options)
    computed = compute_scores(np.array(scores, np.float32), activation)
    predictions = rank_predictions(computed, description.labels, chosen)
    assert all(item.label == f"L{item.label_id}" for item in predictions)
    return [(item.label_id, item.score) for item in predictions]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(logits=_LOGITS)
def test_softmax_is_that_of_the_pipeline(logits: Logits) -> None:
    """Softmax gives what transformers' pipeline gives, bit by bit, for any finite logits."""
    with np.errstate(over="ignore"):
        expected = pipeline.softmax(logits)
    scores = compute_scores(logits, "softmax")
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, expected)
    assert scores.sum() == pytest.approx(1, abs=1e-5)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(logits=_LOGITS)
def test_sigmoid_is_that_of_the_pipeline(logits: Logits) -> None:
    """Sigmoid gives what transformers' pipeline gives, bit by bit, for any finite logits."""
    with np.errstate(over="ignore"):
        expected = pipeline.sigmoid(logits)
    scores = compute_scores(logits, "sigmoid")
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_scores_agree_with_float64(activation: Activation) -> None:
    """Scores agree with the textbook formula in double precision."""
    logits = np.random.default_rng(3).normal(0, 6, 50).astype(np.float32)
    exact = logits.astype(np.float64)
    formulas = {
        "softmax": np.exp(exact) / np.exp(exact).sum(),
        "sigmoid": 1 / (1 + np.exp(-exact)),
    }
    scores = compute_scores(logits, activation)
    np.testing.assert_allclose(scores, formulas[activation], rtol=1e-5)


def test_no_activation_leaves_logits() -> None:
    """A regression head's outputs are its scores."""
    logits = np.array([-2.5, 0.0, 7.25], np.float32)
    np.testing.assert_array_equal(compute_scores(logits, "none"), logits)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_logit_that_is_no_number_is_an_internal_error(
    activation: Activation, value: float
) -> None:
    """One logit that is not finite spoils the answer, whatever the activation."""
    logits = np.array([0.0, value, 1.0], np.float32)
    with pytest.raises(InternalError, match="not a number"):
        compute_scores(logits, activation)


def test_predictions_fall_by_score() -> None:
    """The best label comes first."""
    assert rank([0.25, 1.0, 0.5]) == [(1, 1.0), (2, 0.5), (0, 0.25)]


def test_equal_scores_rise_by_label_id() -> None:
    """Labels that score the same come by rising id, before and behind others."""
    assert [label_id for label_id, _ in rank([0.5, 0.75, 0.5, 0.75, 0.5])] == [1, 3, 0, 2, 4]


def test_many_equal_scores_rise_by_label_id() -> None:
    """The order of equal scores holds among a thousand labels of four scores too."""
    scores = np.random.default_rng(5).integers(0, 4, 1000) / 8
    expected = sorted(range(1000), key=lambda label_id: (-scores[label_id], label_id))
    ids = [label_id for label_id, _ in rank(scores.tolist(), top_k=1000)]
    assert ids == expected


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_top_k_cuts(top_k: int) -> None:
    """At most `top_k` predictions are given, and they are the best ones."""
    assert [label_id for label_id, _ in rank([0.0, 2.0, 1.0], top_k=top_k)] == [1, 2, 0][:top_k]


def test_top_k_above_the_labels_is_refused() -> None:
    """More predictions than there are labels cannot be had: the error names the limit."""
    with pytest.raises(InvalidRequestError, match="top_k: must be 1 to 9"):
        rank([0.0] * 9, top_k=10)
    for top_k in (4, 6):
        with pytest.raises(InvalidRequestError, match="top_k: must be 1 to 3"):
            rank([0.0, 2.0, 1.0], top_k=top_k)


def test_default_top_k_takes_all_of_fewer_labels() -> None:
    """The default gives all of three labels and five of nine, whether it is sent or not."""
    assert len(rank([0.0, 2.0, 1.0])) == 3
    assert len(rank([0.0, 2.0, 1.0], top_k=DEFAULT_TOP_K)) == 3
    assert len(rank([0.0] * 9)) == 5


def test_threshold_keeps_what_reaches_it() -> None:
    """A score equal to the threshold stays, a lower one goes."""
    scores = [0.5, 0.25, 0.75, 0.125]
    assert rank(scores, threshold=0.5) == [(2, 0.75), (0, 0.5)]
    assert rank(scores, threshold=0.5, top_k=1) == [(2, 0.75)]
    assert rank(scores, threshold=1.0) == []


def test_threshold_means_the_score_and_not_the_logit() -> None:
    """The threshold is held against what the activation gives."""
    assert [label_id for label_id, _ in rank([3.0, 0.0], "softmax", threshold=0.5)] == [0]
    assert [label_id for label_id, _ in rank([-3.0, 0.0], "sigmoid", threshold=0.5)] == [1]


def test_a_regression_may_answer_below_zero() -> None:
    """With the default threshold, sent or not, no output of a regression head is left out."""
    expected = [(1, 1.5), (0, -2.5), (2, -7.0)]
    assert rank([-2.5, 1.5, -7.0]) == expected
    assert rank([-2.5, 1.5, -7.0], threshold=0.0) == expected
