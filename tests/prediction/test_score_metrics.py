"""What is counted of scores: each once, in the right place, and no series ever falls."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from app.backend import Description
from app.prediction import score_metrics
from app.prediction.score_metrics import MAX_LABELS, OTHER_LABELS, ScoreMetrics
from tests.support.fake_backend import DESCRIPTION

MANY = 3 * MAX_LABELS


def describe(names: list[str]) -> Description:
    """Describe a model with these labels."""
    return replace(DESCRIPTION, labels=tuple(names))


def make_scores(first: int, number: int, top: float = 0.9) -> NDArray[np.float32]:
    """Make scores whose first label is this, and the others equal."""
    scores = np.full(number, (1 - top) / max(1, number - 1), np.float32)
    scores[first] = top
    return scores


def read(metrics: ScoreMetrics) -> dict[str, dict[tuple[str, ...], float]]:
    """Read all samples, by name and values of labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in metrics.collect():
        for sample in family.samples:
            series = found.setdefault(sample.name, {})
            assert tuple(sample.labels.values()) not in series
            series[tuple(sample.labels.values())] = sample.value
    return found


def read_labels(metrics: ScoreMetrics) -> dict[tuple[str, ...], float]:
    """Read the counts of labels, by id and name."""
    return read(metrics).get("vitrine_top_labels_total", {})


@pytest.mark.parametrize("waiting", [1, 7, 1 << 18])
def test_labels_beyond_a_number_are_counted_together(
    waiting: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No count is lost, however many scores are looked at at once."""
    monkeypatch.setattr(score_metrics, "MAX_WAITING", waiting)
    metrics, model = ScoreMetrics(), describe([f"label {index}" for index in range(MANY)])
    for label_id in range(MANY):
        for _ in range(label_id + 1):
            metrics.add(make_scores(label_id, MANY), model)
    shown = read_labels(metrics)
    assert len(shown) == MAX_LABELS + 1
    assert sum(shown.values()) == sum(range(MANY + 1))
    assert (str(MANY - 1), f"label {MANY - 1}") in shown  # it has taken the place of a rare one
    assert ("0", "label 0") not in shown


def test_a_label_that_becomes_frequent_gets_a_series() -> None:
    """It counts from then on: a model that answers cat to everything is seen."""
    metrics, model = ScoreMetrics(), describe([f"label {index}" for index in range(MANY)])
    cat, key = MANY - 1, (str(MANY - 1), f"label {MANY - 1}")
    for label_id in range(MAX_LABELS):
        metrics.add(make_scores(label_id, MANY), model)
    assert key not in read_labels(metrics)
    for _ in range(3):
        metrics.add(make_scores(cat, MANY), model)
    assert read_labels(metrics)[key] == 0
    for _ in range(5):
        metrics.add(make_scores(cat, MANY), model)
    shown = read_labels(metrics)
    assert (shown[key], len(shown)) == (5, MAX_LABELS + 1)
    assert sum(shown.values()) == MAX_LABELS + 8


def test_no_series_of_labels_ever_falls() -> None:
    """Prometheus would take that for a restart, and count twice."""
    metrics, model = ScoreMetrics(), describe([f"label {index}" for index in range(MANY)])
    last: dict[tuple[str, ...], float] = {}
    for scrape in range(40):
        for label_id in range(5 * scrape):
            metrics.add(make_scores(label_id, MANY), model)
        shown = read_labels(metrics)
        assert all(shown[key] >= count for key, count in last.items() if key in shown)
        last = shown
    assert len(last) == MAX_LABELS + 1


def test_a_label_named_other_is_told_apart() -> None:
    """It has an id."""
    number = MAX_LABELS + 1
    metrics, model = ScoreMetrics(), describe(["other"] * number)
    for label_id in range(number):
        metrics.add(make_scores(label_id, number), model)
    assert len(read_labels(metrics)) == number


def test_scores_of_two_models_are_not_mixed() -> None:
    """Each is counted by the labels of the model that gave it; those of the one before are over."""
    metrics = ScoreMetrics()
    for names in (["cat", "dog"], ["left", "middle", "right"], ["cat", "dog"]):
        metrics.add(make_scores(1, len(names)), describe(names))
    assert read_labels(metrics) == {("1", "dog"): 1, ("", OTHER_LABELS): 2}


@pytest.mark.parametrize(("top", "entropy"), [(1.0, 0.0), (0.25, 1.0), (0.97, None)])
def test_certainty_is_the_top_score_and_the_entropy(top: float, entropy: float | None) -> None:
    """Of all that there could be."""
    metrics = ScoreMetrics()
    metrics.add(make_scores(0, 4, top), describe(list("abcd")))
    if entropy is None:
        rest = (1 - top) / 3
        entropy = -(top * math.log(top) + 3 * rest * math.log(rest)) / math.log(4)
    found = read(metrics)
    assert found["vitrine_top_score_sum"] == {(): pytest.approx(top)}
    assert found["vitrine_entropy_ratio_sum"] == {(): pytest.approx(entropy, abs=1e-6)}
    assert found["vitrine_top_score_count"] == found["vitrine_entropy_ratio_count"] == {(): 1}


def test_scores_that_are_no_distribution_have_no_entropy() -> None:
    """Those of a sigmoid have a top score alone, and those of a regression neither."""
    metrics = ScoreMetrics()
    for activation in ("sigmoid", "none"):
        metrics.add(make_scores(0, 5), replace(DESCRIPTION, activation=activation))
    found = read(metrics)
    assert found["vitrine_top_score_count"] == {(): 1}
    assert found["vitrine_entropy_ratio_count"] == {(): 0}
