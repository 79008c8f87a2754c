"""What every report of predictions for labelled images shows, whoever has made them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from app.backend import Activation, Logits
from app.evaluation.calibration import NOT_PROBABILITIES, Calibration, reliability
from app.evaluation.figures import draw_histogram, draw_reliability
from app.evaluation.metrics import Metrics, score_all
from app.evaluation.report import Figure, Report

MAX_MATRIX = 30
"""Labels that the confusion matrix shows: all, or the most confused."""

DIAGONAL = (
    "On the diagonal scores are probabilities: of the images with a best score of 0.8, 80% are "
    "right. Larger points are more images. The temperature is fitted to these same images, so here "
    "it flatters a little; the calibration error above is of images that it was not fitted to."
)


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions for labelled images, and what they are worth.

    Attributes:
        metrics: of the images.
        logits: of them `[n, labels]`.
        activation: that makes scores of them.
        calibration: None where scores are no softmax.
        training: images of each label that the model has learned from, by id, where it is known.
    """

    metrics: Metrics
    logits: Logits = field(repr=False)
    activation: Activation
    calibration: Calibration | None
    training: Sequence[int] | None = None


def list_figures(judged: Judged) -> Iterator[Figure]:
    """List the numbers that matter."""
    metrics, calibration = judged.metrics, judged.calibration
    right = int((metrics.label_ids == metrics.predicted_ids).sum())
    yield Figure("Accuracy", f"{metrics.accuracy:.2%}", f"{right} of {len(judged.logits)} images")
    yield Figure("Top 5", f"{metrics.top5:.2%}")
    yield Figure("Macro F1", f"{metrics.macro_f1:.4f}", "mean of the labels that have images")
    if calibration is not None:
        after = f"{calibration.ece_after:.4f} with temperature {calibration.temperature:.3f}"
        yield Figure("Calibration error", f"{calibration.ece_before:.4f}", after)


def add_sections(report: Report, judged: Judged) -> None:
    """Add confusions, calibration and labels."""
    _add_confusions(report, judged.metrics)
    _add_calibration(report, judged)
    _add_labels(report, judged)


def _add_confusions(report: Report, metrics: Metrics) -> None:
    """Add the confusions of all labels, or of those that are most often confused."""
    ids, note = metrics.choose_confused(MAX_MATRIX), "Rows are true labels."
    if len(ids) < len(metrics.labels):
        note += f" The {len(ids)} labels that are confused the most, of {len(metrics.labels)}."
    if len(ids):
        names = [metrics.labels[one].label for one in ids]
        report.add_matrix("Confusions", names, metrics.count_confusions(ids), note)


def _add_calibration(report: Report, judged: Judged) -> None:
    """Add what the scores are worth, where they are probabilities."""
    logits, activation, ids = judged.logits, judged.activation, judged.metrics.label_ids
    if activation == "none":
        return
    scores, is_right = score_all(logits, activation), judged.metrics.predicted_ids == ids
    corrected, note = None, f"Temperature scaling {NOT_PROBABILITIES}."
    if judged.calibration is not None:
        temperature, note = judged.calibration.temperature, DIAGONAL
        corrected = reliability(score_all(logits, activation, temperature), ids)
    chart = draw_reliability(reliability(scores, ids), corrected)
    report.add_chart("Are scores probabilities?", chart, note)
    best = scores.max(-1)
    report.add_chart("Best scores", draw_histogram(best[is_right], best[~is_right]))


def _add_labels(report: Report, judged: Judged) -> None:
    """Add a row for each label that has images or was predicted."""
    header, rows = ["Label", "Images", "Predicted", "Precision", "Recall", "F1"], []
    for label_id in judged.metrics.rank_labels():
        one = judged.metrics.labels[label_id]
        shares = (f"{share:.4f}" for share in (one.precision, one.recall, one.f1))
        rows.append([one.label, str(one.support), str(one.predicted), *shares])
        if judged.training is not None:
            rows[-1].append(str(judged.training[label_id]))
    if judged.training is not None:
        header.append("Training images")
    report.add_table("Labels", header, rows, "The lowest F1 first.")
