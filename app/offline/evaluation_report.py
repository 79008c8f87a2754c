"""The report of an evaluation: what it found, with the images that show it."""

from pathlib import Path

import numpy as np

from app.datasets.fetcher import SampleFetcher
from app.evaluation.metrics import score_all
from app.evaluation.pictures import Picture, show_samples
from app.evaluation.report import Figure, Report
from app.evaluation.sections import Judged, add_sections, list_figures
from app.limits import Limits
from app.offline.evaluate import Evaluation
from app.offline.evaluation_table import list_summary

MAX_PICTURES = 24


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
    judged = Judged(found.metrics, found.logits, model.activation, found.calibration)
    speed = Figure("Images/s", f"{found.rate:.1f}", f"{found.seconds:.1f} s")
    problems = Figure("Problems", str(len(found.failed)), "images without a prediction")
    report.add_figures([*list_figures(judged), speed, problems])
    add_sections(report, judged)
    _add_tables(report, found)
    _add_pictures(report, found, SampleFetcher(limits.max_bytes, column), limits)
    return report


def _add_tables(report: Report, found: Evaluation) -> None:
    """Add problems, and what was evaluated."""
    if found.failed:
        problems = ([sample.path, one.title, one.detail] for sample, one in found.failed)
        report.add_table("Problems", ["Image", "Problem", "Detail"], problems)
    report.add_table("Run", ["What", "Value"], [list(row) for row in list_summary(found)])


def _add_pictures(report: Report, found: Evaluation, fetch: SampleFetcher, limits: Limits) -> None:
    """Add the mistakes with the highest scores, and the images with the lowest."""
    best = score_all(found.logits, found.description.activation).max(-1)
    wrong = np.flatnonzero(found.metrics.predicted_ids != found.metrics.label_ids)
    surest = wrong[np.argsort(-best[wrong], kind="stable")][:MAX_PICTURES]
    least = np.argsort(best, kind="stable")[:MAX_PICTURES]
    shown = [*surest.tolist(), *least.tolist()]
    jpegs = show_samples([found.samples[place] for place in shown], fetch, limits)
    pictures = [_make_picture(found, *one) for one in zip(shown, jpegs, strict=True)]
    if len(surest):
        note = "Wrong with the highest scores: look here for wrong labels, too."
        report.add_pictures("Surest mistakes", pictures[: len(surest)], note)
    report.add_pictures("Least certain", pictures[len(surest) :])


def _make_picture(found: Evaluation, place: int, jpeg: bytes | None) -> Picture:
    """Make the picture of a sample, with what it was taken for."""
    labels, metrics, sample = found.description.labels, found.metrics, found.samples[place]
    label_id, predicted_id = (int(ids[place]) for ids in (metrics.label_ids, metrics.predicted_ids))
    score = score_all(found.logits[place : place + 1], found.description.activation).max()
    taken = f" taken for {labels[predicted_id]}" if predicted_id != label_id else ""
    path = sample.path.removeprefix(found.dataset).lstrip("/#")
    return Picture(f"{labels[label_id]}{taken}", f"{score:.4f}, {path}", jpeg)
