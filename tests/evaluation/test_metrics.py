"""Metrics: equal to scikit-learn's, and right where there is little to measure."""

import numpy as np
import pytest
from sklearn import metrics as sklearn

from app.backend import Activation
from app.evaluation.metrics import Metrics, compute_metrics, compute_nll, score_all
from app.prediction.scores import compute_scores

LABELS = tuple(f"label {number}" for number in range(7))


def make(count: int = 500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make logits `[count, 7]` that are often right, and label ids; the last label is never."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 6, count)
    logits = rng.normal(0, 2, (count, 7)).astype(np.float32)
    logits[np.arange(count), ids] += 2
    return logits, ids


def measure(activation: Activation = "softmax", seed: int = 0) -> Metrics:
    """Measure what `make` makes."""
    return compute_metrics(*make(seed=seed), LABELS, activation)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_scikit_learns(seed: int) -> None:
    """Accuracy, top 5, each label, the means and the confusions are the same."""
    logits, ids = make(seed=seed)
    found = compute_metrics(logits, ids, LABELS, "softmax")
    best, known = logits.argmax(-1), np.arange(7)
    assert found.accuracy == pytest.approx(sklearn.accuracy_score(ids, best))
    top5 = sklearn.top_k_accuracy_score(ids, logits, k=5, labels=known)
    assert found.top5 == pytest.approx(top5)
    expected = sklearn.precision_recall_fscore_support(ids, best, labels=known, zero_division=0)
    rows = [(one.precision, one.recall, one.f1, one.support) for one in found.labels]
    np.testing.assert_allclose(np.array(rows).T, expected)
    means = sklearn.precision_recall_fscore_support(
        ids, best, labels=np.unique(ids), average="macro", zero_division=0
    )
    np.testing.assert_allclose(
        (found.macro_precision, found.macro_recall, found.macro_f1), means[:3]
    )
    np.testing.assert_array_equal(
        found.count_confusions(known), sklearn.confusion_matrix(ids, best, labels=known)
    )
    scores = score_all(logits, "softmax").astype(np.float64)
    scores /= scores.sum(-1, keepdims=True)
    assert found.loss == pytest.approx(sklearn.log_loss(ids, scores, labels=known), rel=1e-5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
def test_scores_equal_the_services(activation: Activation) -> None:
    """All rows at once give what the service computes for each, also at the ends of float32."""
    logits, _ = make()
    logits[0, 0], logits[1, 1], logits[2] = 3e38, -3e38, -3e38
    expected = [compute_scores(row, activation) for row in logits]
    np.testing.assert_allclose(score_all(logits, activation), np.stack(expected), rtol=1e-6)


def test_the_loss_is_that_of_the_activation() -> None:
    """Sigmoid has one loss a label; scores that are no probabilities have none."""
    logits, ids = make()
    scores = score_all(logits, "sigmoid").astype(np.float64)
    expected = np.mean([sklearn.log_loss(ids == one, scores[:, one]) for one in range(6)])
    never = -np.log1p(-scores[:, 6]).mean()
    loss = measure("sigmoid").loss
    assert loss == pytest.approx((6 * expected + never) / 7, rel=1e-4)
    assert measure("none").loss is None


def test_the_loss_of_logits_at_the_ends_of_float32_is_finite_or_infinite() -> None:
    """It is never NaN, and nothing warns."""
    logits = np.array([[3e38, -3e38], [0, 0]], np.float32)
    assert compute_nll(logits, np.array([0, 0])) == pytest.approx(np.log(2) / 2)
    assert compute_nll(logits, np.array([1, 0])) > 1e30


def test_of_equal_logits_the_lowest_id_is_best() -> None:
    """As in the service's answers; so a model that says nothing is right by its share alone."""
    logits = np.zeros((7, 7), np.float32)
    found = compute_metrics(logits, np.arange(7), LABELS, "softmax")
    assert (found.accuracy, found.top5) == (1 / 7, 5 / 7)
    assert found.labels[1].precision == 0


def test_confusions_are_counted_for_some_labels_of_very_many() -> None:
    """100,000 labels cost no matrix of all; the most frequent mistakes come first."""
    labels = [str(number) for number in range(100_000)]
    logits = np.zeros((4, 100_000), np.float32)
    logits[[0, 1, 2, 3], [9, 9, 7, 99_999]] = 1
    found = compute_metrics(logits, np.array([5, 5, 6, 99_999]), labels, "softmax")
    assert found.list_confusions(10) == [(5, 9, 2), (6, 7, 1)]
    assert found.list_confusions(1) == [(5, 9, 2)]
    np.testing.assert_array_equal(found.count_confusions(np.array([5, 9])), [[0, 2], [0, 0]])
