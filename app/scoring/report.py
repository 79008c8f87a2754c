"""The HTML report of a job: what it has found, with pictures of what it is not certain of."""

import numpy as np

from app.datasets.fetcher import SampleFetcher
from app.datasets.names import show_location
from app.datasets.sample import Sample
from app.evaluation.figures import draw_histogram
from app.evaluation.pictures import Picture, show_samples
from app.evaluation.report import Figure, Report
from app.limits import derive_limits
from app.scoring.options import ScoreOptions
from app.scoring.summary import BINS, SHEETS, Summary
from app.settings import Settings


def render_report(
    settings: Settings, options: ScoreOptions, summary: Summary, figures: list[Figure]
) -> bytes:
    """Render the report of a job.

    Args:
        settings: of the model and the limits.
        options: of the command.
        summary: of all images.
        figures: the numbers above all else.

    Raises:
        SettingsError: what it needs is not installed.
    """
    report = Report("Scored images", ", ".join(map(show_location, options.inputs)))
    report.add_figures(figures)
    _add_counts(report, summary)
    if summary.scores and sum(summary.scores):
        centres = (np.arange(BINS, dtype=np.float32) + 0.5) / BINS
        chart = draw_histogram(np.repeat(centres, summary.scores))
        report.add_chart("Best scores", chart, "How certain the model is of its best label.")
    _add_sheets(report, settings, options, summary)
    return report.render().encode("utf-8", "backslashreplace")


def _add_counts(report: Report, summary: Summary) -> None:
    """Add the tables of labels, problems and slow files."""
    labels = summary.labels.most_common()
    rows = ((label, f"{n:,}", f"{n / summary.images:.2%}") for label, n in labels)
    report.add_table("Labels", ("label", "images", "share"), rows)
    if summary.problems:
        problems = summary.problems.most_common()
        counts = ((problem, f"{count:,}") for problem, count in problems)
        report.add_table("Problems", ("problem", "images"), counts)
        report.add_table("Examples of problems", ("file", "problem", "detail"), summary.broken)
    slowest = ((path, f"{seconds:.3f}") for seconds, path in summary.slowest)
    report.add_table("Slowest files", ("file", "seconds to fetch and read"), slowest)


def _add_sheets(
    report: Report, settings: Settings, options: ScoreOptions, summary: Summary
) -> None:
    """Add a contact sheet for each of the most frequent labels."""
    limits = derive_limits(settings)
    sheets = [
        (label, count, summary.uncertain.get(label, []))
        for label, count in summary.labels.most_common(SHEETS)
    ]
    samples = [Sample(one.path, one.uri, one.row) for *_, images in sheets for one in images]
    fetch = SampleFetcher(limits.max_bytes, options.column)
    jpegs = iter(show_samples(samples, fetch, limits))
    for label, count, images in sheets:
        pictures = [Picture(f"{one.score:.3f}", one.path, next(jpegs)) for one in images]
        shown = f"the {len(pictures)} least certain of {count:,}"
        report.add_pictures(label, pictures, f"Of this label, {shown}.")
