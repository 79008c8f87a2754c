"""What is told when a job is complete."""

import json

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.classifier.checkpoint.files import Checkpoint
from app.evaluation.report import Figure
from app.hostile_text import clean_text
from app.scoring.job import Job
from app.scoring.part_names import REPORT, ROWS
from app.scoring.progress import format_time
from app.scoring.summary import Summary

SHOWN_LABELS, SHOWN_PROBLEMS = 10, 5


def encode_summary(summary: Summary, checkpoint: Checkpoint, rate: float) -> bytes:
    """Encode what machines read of a job, as JSON.

    Args:
        summary: of all images.
        checkpoint: that has scored them.
        rate: images a second, of the last run; 0 where it was too short to tell.
    """
    found = {
        "images": summary.images,
        "model": checkpoint.id,
        "revision": checkpoint.revision,
        "labels": dict(summary.labels.most_common()),
        "problems": dict(summary.problems.most_common()),
        "slowest": [{"path": path, "seconds": seconds} for seconds, path in summary.slowest],
        "files_per_second": round(rate, 2) or None,
    }
    return (json.dumps(found, indent=1) + "\n").encode()


def list_figures(summary: Summary, checkpoint: Checkpoint, rate: float) -> list[Figure]:
    """List the numbers above the report; arguments as `encode_summary`."""
    problems, images = summary.count_problems, summary.images
    speed = [Figure("files/s", f"{rate:,.0f}", "of the last run")] if rate else []
    return [
        Figure("images", f"{images:,}"),
        Figure("labels", f"{len(summary.labels):,}", f"of {len(checkpoint.labels):,}"),
        Figure("problems", f"{problems:,}", f"{problems / images:.2%}"),
        *speed,
        Figure("model", checkpoint.id, checkpoint.revision),
    ]


def print_summary(console: Console, job: Job, seconds: float, rate: float) -> None:
    """Print what became of the images of a job."""
    summary = job.summary
    table = Table("label", "images", "share", box=None)
    for label, count in summary.labels.most_common(SHOWN_LABELS):
        table.add_row(escape(clean_text(label)), f"{count:,}", f"{count / summary.images:.1%}")
    rest = len(summary.labels) - SHOWN_LABELS
    if rest > 0:
        count = sum(n for _, n in summary.labels.most_common()[SHOWN_LABELS:])
        table.add_row(f"{rest:,} others", f"{count:,}", f"{count / summary.images:.1%}")
    console.print(table)
    _print_problems(console, summary)
    slowest = ", ".join(
        f"{clean_text(path)} ({seconds:.2f} s)" for seconds, path in summary.slowest[:3]
    )
    _print(console, f"\nslowest  {slowest}")
    speed = f", {rate:,.0f} files/s" if rate else ""
    taken = f"{format_time(seconds)}{speed}"
    written = f"{job.folder.name}/{ROWS} and {REPORT}"
    _print(console, f"written  {summary.images:,} rows to {written} in {taken}")


def _print_problems(console: Console, summary: Summary) -> None:
    """Print the problems by type, with examples."""
    if not summary.problems:
        return
    table = Table("problem", "images", "example", box=None)
    for type_, count in summary.problems.most_common():
        examples = (
            f"{clean_text(path)}: {clean_text(detail)}"
            for path, problem, detail in summary.broken
            if problem == type_
        )
        example = next(examples, "")
        table.add_row(escape(type_), f"{count:,}", escape(example))
    console.print()
    console.print(table)


def _print(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
