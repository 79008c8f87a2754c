"""The sections that all reports of labelled images share."""

import re

import numpy as np
import pytest

from app.backend import Activation
from app.evaluation.calibration import calibrate
from app.evaluation.metrics import compute_metrics
from app.evaluation.report import Report
from app.evaluation.sections import MAX_MATRIX, Judged, add_sections, list_figures

SHARED = ["Confusions", "Are scores probabilities?", "Best scores", "Labels"]


def make_judged(
    labels: int = 3, activation: Activation = "softmax", training: list[int] | None = None
) -> Judged:
    """Make predictions of which some are wrong; nothing is of the last label."""
    random = np.random.default_rng(0)
    ids = random.integers(0, labels - 1, 300)
    logits = random.normal(0, 1, (300, labels)).astype(np.float32)
    logits[np.arange(300), ids] += 2
    logits[:, -1] -= 100
    names = [f"label {number}" for number in range(labels)]
    metrics = compute_metrics(logits, ids, names, activation)
    found = calibrate(logits, ids) if activation == "softmax" else None
    return Judged(metrics, logits, activation, found, training)


def render(judged: Judged) -> tuple[list[str], str]:
    """Render a report of the sections alone; gives their titles, and the text."""
    report = Report("t", "")
    add_sections(report, judged)
    text = report.render()
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", text), text


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
def test_scores_that_are_no_probabilities_are_not_drawn_as_such(activation: Activation) -> None:
    """A temperature is for softmax alone; a regression has no chart of its scores."""
    judged = make_judged(activation=activation)
    titles, text = render(judged)
    assert titles == [one for one in SHARED if activation != "none" or "core" not in one]
    assert ("with the temperature" in text) == (activation == "softmax")
    assert ("Temperature scaling does not apply" in text) == (activation == "sigmoid")
    names = [one.name for one in list_figures(judged)]
    assert ("Calibration error" in names) == (activation == "softmax")


def test_labels_are_listed_worst_first_and_those_of_no_image_are_not() -> None:
    """With the images that they were learned from, where that is known."""
    judged = make_judged(training=[701, 702, 703])
    _, text = render(judged)
    table = text[text.index(">Labels<") :]
    shown = re.findall(r'<th scope="row"><bdi>(label \d)</bdi>', table)
    f1 = {one.label: one.f1 for one in judged.metrics.labels[:2]}
    assert shown == sorted(f1, key=lambda label: f1[label])
    assert all(one in table for one in ("Training images", "701", "702"))
    assert "703" not in table
    assert "Training images" not in render(make_judged())[1]


def test_of_many_labels_the_matrix_shows_the_most_confused() -> None:
    """It says so, and of how many they are."""
    _, text = render(make_judged(labels=60))
    found = re.search(r"The (\d+) labels that are confused the most, of 60\.", text)
    assert found
    assert 2 <= int(found[1]) <= MAX_MATRIX
    assert "confused the most" not in render(make_judged(labels=MAX_MATRIX))[1]
