"""The report of a run: what was found, how it went, and how good the result is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.datasets.fetcher import SampleFetcher
from app.evaluation.calibration import reliability
from app.evaluation.figures import draw_curves, draw_histogram, draw_reliability
from app.evaluation.metrics import score_all
from app.evaluation.pictures import Picture, show_sample
from app.evaluation.report import Figure, Report
from app.limits import Limits
from app.training.judgement import Judgement, Mistake
from app.training.options import TuneOptions
from app.training.run_folder import REPORT, RunFolder
from app.training.survey import FEW_IMAGES, Survey, list_rare

MAX_PICTURES = 40
"""Of one kind."""

MAX_MATRIX = 30
"""Labels of the confusion matrix: those with the most mistakes, where there are more."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a report is made of.

    Attributes:
        survey: of the dataset, before training.
        judgement: of the best checkpoint.
        suspects: training images whose label looks wrong, the surest first.
        labels: names, by label id.
    """

    survey: Survey
    judgement: Judgement
    suspects: Sequence[Mistake]
    labels: Sequence[str]


def write_report(
    folder: RunFolder, options: TuneOptions, findings: Findings, limits: Limits
) -> Path:
    """Write the report of a run; gives its file.

    Raises:
        SettingsError: it cannot be written.
    """
    report = Report(
        f"Run {folder.path.name}",
        f"{options.dataset}, tuned from {options.base or 'scratch'}",
    )
    report.add_figures(_list_figures(findings))
    _add_curves(report, folder.metrics)
    _add_confusion(report, findings.judgement)
    _add_calibration(report, findings.judgement)
    _add_pictures(report, findings, SampleFetcher(limits.max_bytes, options.column), limits)
    _add_labels(report, findings)
    _add_survey(report, findings)
    path = folder.path / REPORT
    report.write(path)
    return path


def _list_figures(findings: Findings) -> list[Figure]:
    """List the numbers that matter."""
    survey, metrics = findings.survey, findings.judgement.metrics
    found = findings.judgement.calibration
    images = f"of {len(metrics.label_ids)} held-out images"
    return [
        Figure("Accuracy", f"{metrics.accuracy:.2%}", images),
        Figure("Top 5", f"{metrics.top5:.2%}", images),
        Figure("Macro F1", f"{metrics.macro_f1:.4f}", f"mean of {len(findings.labels)} labels"),
        Figure("Calibration error", f"{found.ece_before:.4f}", f"calibrated {found.ece_after:.4f}"),
        Figure("Temperature", f"{found.temperature:.3f}", "used with VITRINE_CALIBRATION"),
        Figure("Trained on", str(sum(survey.counts)), "images"),
        Figure("Left out", str(len(survey.unreadable)), "images that cannot be read"),
        Figure("Near-duplicates", str(len(survey.duplicates)), "held-out images"),
    ]


def _add_curves(report: Report, metrics: Path) -> None:
    """Add the loss and the accuracy of each epoch."""
    epochs = [json.loads(line) for line in metrics.read_text("utf-8").splitlines()]

    def trace(name: str) -> list[tuple[float, float]]:
        return [(one["epoch"], one[name]) for one in epochs]

    losses = {"training": trace("train_loss"), "held out": trace("loss")}
    note = "Of training images it is measured while they are varied and the model learns."
    report.add_chart("Loss", draw_curves(losses, "epoch", "loss"), note)
    report.add_chart("Accuracy", draw_curves({"held out": trace("accuracy")}, "epoch", "accuracy"))


def _add_confusion(report: Report, judgement: Judgement) -> None:
    """Add the confusion matrix, of the labels with the most mistakes where there are many."""
    metrics = judgement.metrics
    ids, note = metrics.choose_confused(MAX_MATRIX), "Rows are true labels."
    if len(ids) < len(metrics.labels):
        note += f" The {len(ids)} labels that are confused the most, of {len(metrics.labels)}."
    if len(ids):
        names = [metrics.labels[one].label for one in ids]
        report.add_matrix("Confusion", names, metrics.count_confusions(ids), note)


def _add_calibration(report: Report, judgement: Judgement) -> None:
    """Add how far scores are probabilities, before and after temperature scaling."""
    scores = judgement.scores
    plain, calibrated = (
        score_all(scores.logits, "softmax", one) for one in (1.0, judgement.calibration.temperature)
    )
    found, corrected = (reliability(one, scores.label_ids) for one in (plain, calibrated))
    note = (
        "The temperature is fitted to these same images, so here it flatters a little; the "
        "calibration error above is of images that it was not fitted to."
    )
    report.add_chart("Calibration", draw_reliability(found, corrected), note)
    is_right = plain.argmax(-1) == scores.label_ids
    best = plain.max(-1)
    report.add_chart("Best scores", draw_histogram(best[is_right], best[~is_right]))


def _add_pictures(report: Report, findings: Findings, fetch: SampleFetcher, limits: Limits) -> None:
    """Add pictures of mistakes, and of training images whose label looks wrong."""
    parts = {
        "Surest mistakes": (findings.judgement.mistakes, "Held-out images."),
        "Labels that look wrong": (
            findings.suspects,
            "Training images that the model surely gives another label, though it has seen theirs.",
        ),
    }
    for title, (mistakes, note) in parts.items():
        pictures = [_make_picture(one, fetch, limits) for one in mistakes[:MAX_PICTURES]]
        if pictures:
            report.add_pictures(title, pictures, f"{note} {len(pictures)} of {len(mistakes)}.")


def _make_picture(mistake: Mistake, fetch: SampleFetcher, limits: Limits) -> Picture:
    """Make the picture of a mistake."""
    jpeg = show_sample(fetch, mistake.sample, limits)
    caption = f"{mistake.sample.label}, named {mistake.named} ({mistake.score:.3f})"
    return Picture(caption, mistake.sample.path, jpeg)


def _add_labels(report: Report, findings: Findings) -> None:
    """Add a row for each label, the worst first."""
    rows = [
        (one.label, str(count), str(one.support), *(
            f"{value:.3f}" for value in (one.precision, one.recall, one.f1)
        ))
        for one, count in zip(
            findings.judgement.metrics.labels, findings.survey.counts, strict=True
        )
    ]  # fmt: skip
    header = ("label", "training images", "held-out images", "precision", "recall", "F1")
    report.add_table("Labels", header, sorted(rows, key=lambda row: float(row[-1])), "Worst first.")


def _add_survey(report: Report, findings: Findings) -> None:
    """Add what was found before training."""
    survey = findings.survey
    if survey.unreadable:
        rows = ((one.sample.path, one.problem) for one in survey.unreadable)
        report.add_table("Images that were left out", ("image", "problem"), rows)
    if survey.duplicates:
        note = "Held-out images that are almost the same as a training image: accuracy flatters."
        header = ("held-out image", "training image", "difference of 255")
        pairs = (
            (one.held_out.path, one.train.path, f"{one.difference:.2f}")
            for one in survey.duplicates
        )
        report.add_table("Near-duplicates", header, pairs, note)
    if rare := list_rare(survey, findings.labels):
        note = f"Fewer than {FEW_IMAGES} to train on."
        named = ((label, str(count)) for label, count in rare)
        report.add_table("Labels with few images", ("label", "training images"), named, note)
