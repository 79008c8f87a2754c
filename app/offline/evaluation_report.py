"""The report of an evaluation: what it found, with the images that show it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from app.datasets.fetcher import SampleFetcher
from app.evaluation.calibration import reliability
from app.evaluation.figures import draw_histogram, draw_reliability
from app.evaluation.metrics import score_all
from app.evaluation.pictures import Picture, show_sample
from app.evaluation.report import Figure, Report
from app.limits import Limits
from app.offline.evaluate import Evaluation
from app.offline.evaluation_table import NOT_PROBABILITIES, list_summary, rank_labels

MAX_PICTURES = 24
MAX_MATRIX = 30
"""Labels that the confusion matrix shows: all, or the most confused."""

DIAGONAL = (
    "On the diagonal scores are probabilities: of the images with a best score of 0.8, 80% are "
    "right. Larger points are more images."
)


def make_report(found: Evaluation, limits: Limits, column: str | None) -> Report:
    """Make the report.

    Args:
        found: what is shown.
        limits: of the images, which are read again to be shown.
        column: of a table's images.

    Raises:
        SettingsError: what the report needs is not installed.
    """
    model = found.description
    about = f"{model.model_id} at {model.revision}, {model.engine} on {model.device}"
    name = Path(found.dataset).name or found.dataset
    report = Report(f"Evaluation on {name}", f"{about}, {found.decode} decoding")
    report.add_figures(_list_figures(found))
    _add_charts(report, found)
    _add_matrix(report, found)
    _add_tables(report, found)
    _add_pictures(report, found, _Thumbnails(limits, column))
    return report


def _list_figures(found: Evaluation) -> list[Figure]:
    """List the numbers that matter."""
    metrics, calibration = found.metrics, found.calibration
    right = int((metrics.label_ids == metrics.predicted_ids).sum())
    figures = [
        Figure("Accuracy", f"{metrics.accuracy:.2%}", f"{right} of {len(found.samples)} images"),
        Figure("Top 5", f"{metrics.top5:.2%}"),
        Figure("Macro F1", f"{metrics.macro_f1:.4f}", "mean of the labels that have images"),
    ]
    if calibration is not None:
        after = f"{calibration.ece_after:.4f} with temperature {calibration.temperature:.3f}"
        figures.append(Figure("Calibration error", f"{calibration.ece_before:.4f}", after))
    figures.append(Figure("Images/s", f"{found.rate:.1f}", f"{found.seconds:.1f} s"))
    figures.append(Figure("Problems", str(len(found.failed)), "images without a prediction"))
    return figures


def _add_charts(report: Report, found: Evaluation) -> None:
    """Add what the scores are worth, where they are probabilities."""
    activation, ids = found.description.activation, found.metrics.label_ids
    if activation == "none":
        return
    scores, is_right = score_all(found.logits, activation), found.metrics.predicted_ids == ids
    corrected, note = None, f"Temperature scaling {NOT_PROBABILITIES}."
    if found.calibration is not None:
        temperature = found.calibration.temperature
        corrected = reliability(score_all(found.logits, activation, temperature), ids)
        note = DIAGONAL
    report.add_chart(
        "Are scores probabilities?", draw_reliability(reliability(scores, ids), corrected), note
    )
    best = scores.max(-1)
    report.add_chart("Best scores", draw_histogram(best[is_right], best[~is_right]))


def _add_matrix(report: Report, found: Evaluation) -> None:
    """Add the confusions of all labels, or of those that are most often confused."""
    labels, ids, note = found.description.labels, found.metrics.choose_confused(MAX_MATRIX), ""
    if len(ids) < len(labels):
        note = f"The {len(ids)} labels of the most frequent confusions, of {len(labels)}."
    if len(ids):
        counts = found.metrics.count_confusions(ids)
        report.add_matrix("Confusions", [labels[one] for one in ids.tolist()], counts, note)


def _add_tables(report: Report, found: Evaluation) -> None:
    """Add labels, problems, and what was evaluated."""
    rows = (
        [
            one.label,
            str(one.support),
            str(one.predicted),
            f"{one.precision:.4f}",
            f"{one.recall:.4f}",
            f"{one.f1:.4f}",
        ]
        for one in rank_labels(found)
    )
    header = ["Label", "Images", "Predicted", "Precision", "Recall", "F1"]
    report.add_table("Labels", header, rows, "The lowest F1 first.")
    if found.failed:
        problems = ([sample.path, one.title, one.detail] for sample, one in found.failed)
        report.add_table("Problems", ["Image", "Problem", "Detail"], problems)
    report.add_table("Run", ["What", "Value"], [list(row) for row in list_summary(found)])


def _add_pictures(report: Report, found: Evaluation, thumbnails: "_Thumbnails") -> None:
    """Add the mistakes with the highest scores, and the images with the lowest."""
    best = score_all(found.logits, found.description.activation).max(-1)
    wrong = np.flatnonzero(found.metrics.predicted_ids != found.metrics.label_ids)
    surest = wrong[np.argsort(-best[wrong], kind="stable")][:MAX_PICTURES]
    least = np.argsort(best, kind="stable")[:MAX_PICTURES]
    if len(surest):
        note = "Wrong with the highest scores: look here for wrong labels, too."
        report.add_pictures("Surest mistakes", thumbnails.make(found, surest.tolist()), note)
    report.add_pictures("Least certain", thumbnails.make(found, least.tolist()))


class _Thumbnails:
    """Thumbnails of samples, which are read again."""

    def __init__(self, limits: Limits, column: str | None) -> None:
        self._limits = limits
        self._fetch = SampleFetcher(limits.max_bytes, column)

    def make(self, found: Evaluation, places: Sequence[int]) -> list[Picture]:
        """Make the pictures of samples; they are read in the order of their dataset."""
        made = {place: self._make_one(found, place) for place in sorted(places)}
        return [made[place] for place in places]

    def _make_one(self, found: Evaluation, place: int) -> Picture:
        """Make the picture of a sample, with what it was taken for."""
        labels, metrics, sample = found.description.labels, found.metrics, found.samples[place]
        label_id, predicted_id = (
            int(ids[place]) for ids in (metrics.label_ids, metrics.predicted_ids)
        )
        score = score_all(found.logits[place : place + 1], found.description.activation).max()
        taken = f" taken for {labels[predicted_id]}" if predicted_id != label_id else ""
        jpeg = show_sample(self._fetch, sample, self._limits)
        path = sample.path.removeprefix(found.dataset).lstrip("/#")
        return Picture(f"{labels[label_id]}{taken}", f"{score:.4f}, {path}", jpeg)
