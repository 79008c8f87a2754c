"""What an evaluation found, as tables for a terminal."""

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.evaluation.calibration import NOT_PROBABILITIES
from app.hostile_text import clean_text
from app.offline.evaluate import Evaluation

MAX_LABELS, MAX_CONFUSIONS, MAX_PROBLEMS = 20, 10, 10
"""Lines that are shown at most; the files of --out have all."""


def print_evaluation(found: Evaluation, console: Console) -> None:
    """Print all that fits on a screen or two."""
    summary = Table(show_header=False, box=None)
    for row in list_summary(found):
        summary.add_row(*map(_show, row))
    console.print(summary)
    console.print(_make_labels(found))
    if confusions := found.metrics.list_confusions(MAX_CONFUSIONS):
        names = found.description.labels
        table = Table("label", "taken for", "images", box=None)
        for label_id, predicted_id, count in confusions:
            table.add_row(_show(names[label_id]), _show(names[predicted_id]), str(count))
        console.print(table)
    if found.failed:
        console.print(_make_problems(found))


def list_summary(found: Evaluation) -> Iterator[tuple[str, str]]:
    """List the numbers that matter, each with its name."""
    metrics, model = found.metrics, found.description
    yield "dataset", found.dataset
    yield "model", f"{model.model_id} at {model.revision}"
    yield "engine", f"{model.engine} on {model.device}, {found.decode} decoding"
    yield "images", f"{len(found.samples)} scored, {len(found.failed)} with a problem"
    yield "accuracy", f"{metrics.accuracy:.2%}"
    yield "top 5", f"{metrics.top5:.2%}"
    means = (metrics.macro_precision, metrics.macro_recall, metrics.macro_f1)
    yield "macro", "precision {:.4f}, recall {:.4f}, F1 {:.4f}".format(*means)
    yield "loss", "" if metrics.loss is None else f"{metrics.loss:.4f}"
    yield "calibration", describe_calibration(found)
    yield "throughput", f"{found.rate:.1f} images/s, {found.seconds:.1f} s"


def describe_calibration(found: Evaluation) -> str:
    """Describe the calibration error, and what a temperature would make of it."""
    calibration = found.calibration
    if calibration is None:
        return NOT_PROBABILITIES
    after = f"{calibration.ece_after:.4f} with temperature {calibration.temperature:.3f}"
    return f"ECE {calibration.ece_before:.4f}, {after}"


def count_problems(found: Evaluation) -> list[tuple[str, int]]:
    """Count problems by their title, the most frequent first."""
    return Counter(problem.title for _, problem in found.failed).most_common()


def _make_labels(found: Evaluation) -> Table:
    """Make the table of labels: all, or the worst of many."""
    labels = found.metrics.rank_labels()
    title = None if len(labels) <= MAX_LABELS else f"the worst {MAX_LABELS} of {len(labels)} labels"
    header = ("label", "images", "precision", "recall", "F1")
    table = Table(*header, box=None, title=title, title_justify="left")
    for one in map(found.metrics.labels.__getitem__, labels[:MAX_LABELS]):
        shares = (f"{share:.4f}" for share in (one.precision, one.recall, one.f1))
        table.add_row(_show(one.label), str(one.support), *shares)
    return table


def _make_problems(found: Evaluation) -> Table:
    """Make the table of problems, the first of many."""
    counts = ", ".join(f"{count} {title}" for title, count in count_problems(found))
    table = Table("image", "problem", box=None, title=f"problems: {counts}", title_justify="left")
    for sample, problem in found.failed[:MAX_PROBLEMS]:
        table.add_row(_show(sample.path), f"[red]{problem.title}[/]: {_show(problem.detail)}")
    return table


def _show(text: str) -> str:
    """Make text fit for a terminal."""
    return escape(clean_text(text))
