"""The report of a run: what was found, how it went, and how good the result is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.datasets.fetcher import SampleFetcher
from app.evaluation.figures import draw_curves
from app.evaluation.pictures import Picture, show_samples
from app.evaluation.report import Figure, Report
from app.evaluation.sections import Judged, add_sections, list_figures
from app.limits import Limits
from app.training.judgement import Judgement, Mistake
from app.training.options import TuneOptions
from app.training.run_folder import REPORT, RunFolder
from app.training.survey import FEW_IMAGES, Survey, list_rare

MAX_PICTURES = 40
"""Of one kind."""


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
    judgement, logits = findings.judgement, findings.judgement.scores.logits
    counts = findings.survey.counts
    judged = Judged(judgement.metrics, logits, "softmax", judgement.calibration, counts)
    report.add_figures([*list_figures(judged), *_list_figures(findings)])
    _add_curves(report, folder.metrics)
    add_sections(report, judged)
    _add_pictures(report, findings, SampleFetcher(limits.max_bytes, options.column), limits)
    _add_survey(report, findings)
    path = folder.path / REPORT
    report.write(path)
    return path


def _list_figures(findings: Findings) -> list[Figure]:
    """List the numbers of training."""
    survey, found = findings.survey, findings.judgement.calibration
    return [
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


def _add_pictures(report: Report, findings: Findings, fetch: SampleFetcher, limits: Limits) -> None:
    """Add pictures of mistakes, and of training images whose label looks wrong."""
    parts = {
        "Surest mistakes": (findings.judgement.mistakes, "Held-out images."),
        "Labels that look wrong": (
            findings.suspects,
            "Training images that the model surely gives another label, though it has seen theirs.",
        ),
    }
    shown = [one for mistakes, _ in parts.values() for one in mistakes[:MAX_PICTURES]]
    jpegs = iter(show_samples([one.sample for one in shown], fetch, limits))
    for title, (mistakes, note) in parts.items():
        pictures = [_make_picture(one, next(jpegs)) for one in mistakes[:MAX_PICTURES]]
        if pictures:
            report.add_pictures(title, pictures, f"{note} {len(pictures)} of {len(mistakes)}.")


def _make_picture(mistake: Mistake, jpeg: bytes | None) -> Picture:
    """Make the picture of a mistake."""
    caption = f"{mistake.sample.label}, named {mistake.named} ({mistake.score:.3f})"
    return Picture(caption, mistake.sample.path, jpeg)


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
