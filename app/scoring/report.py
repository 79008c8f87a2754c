"""The HTML report of a job: what it has found, with pictures of what it is not certain of."""

from collections.abc import Iterator

import numpy as np

from app.datasets.fetcher import SampleFetcher
from app.datasets.names import show_location
from app.datasets.sample import Sample
from app.evaluation.figures import draw_histogram
from app.evaluation.pictures import Picture, show_sample
from app.evaluation.report import Figure, Report
from app.limits import derive_limits
from app.scoring.options import ScoreOptions
from app.scoring.summary import BINS, Summary, Uncertain
from app.settings import Settings

SHEETS = 50
"""Labels that have a contact sheet, those with the most images."""


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
    fetch = SampleFetcher(settings.max_bytes, options.column)
    for label, count in summary.labels.most_common(SHEETS):
        pictures = list(_make_pictures(settings, fetch, summary.uncertain.get(label, [])))
        shown = f"the {len(pictures)} least certain of {count:,}"
        report.add_pictures(label, pictures, f"Of this label, {shown}.")


def _make_pictures(
    settings: Settings, fetch: SampleFetcher, images: list[Uncertain]
) -> Iterator[Picture]:
    """Make pictures; one that is gone by now has a caption alone."""
    limits = derive_limits(settings)
    for one in images:
        jpeg = show_sample(fetch, Sample(one.path, one.uri, one.row), limits)
        yield Picture(f"{one.score:.3f}", one.path, jpeg)
