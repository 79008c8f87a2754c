"""`vitrine evaluate`: its options, and what it does. It imports what it needs when it runs."""

import argparse
import json as json_format
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict, Unpack

from app.exit_codes import EXIT_FAILED
from app.settings import Settings


def add_evaluate(command: argparse.ArgumentParser) -> None:
    """Add the options of `vitrine evaluate`."""
    add = command.add_argument
    help_ = "folder of LABEL/IMAGE, or with such a val or test folder; or a .parquet or .csv"
    add("dataset", metavar="DATASET", help=help_)
    help_ = "new folder for report.html, metrics.json and predictions.jsonl"
    add("--out", type=Path, metavar="FOLDER", help=help_)
    add("--column", metavar="NAME", help="of a table: images, as paths or (Parquet) bytes")
    add("--label-column", metavar="NAME", help="of a table: labels")
    add("--json", action="store_true", help="print the metrics as one JSON object")


class TableFlags(TypedDict):
    """The options of a table."""

    column: str | None
    label_column: str | None


def evaluate_model(
    settings: Settings, dataset: str, out: Path | None, *, json: bool, **flags: Unpack[TableFlags]
) -> int:
    """Measure how good the model is on labelled images, with the engine that would serve."""
    from rich.console import Console  # noqa: PLC0415

    from app.datasets.labelled import DatasetOptions  # noqa: PLC0415
    from app.evaluation.extras import check_report_packages  # noqa: PLC0415
    from app.limits import derive_limits  # noqa: PLC0415
    from app.offline.evaluate import evaluate_dataset  # noqa: PLC0415
    from app.offline.evaluation_files import check_out, list_metrics, write_evaluation  # noqa: PLC0415
    from app.offline.evaluation_report import make_report  # noqa: PLC0415
    from app.offline.evaluation_table import print_evaluation  # noqa: PLC0415

    if out is not None:
        check_out(out)
        check_report_packages()
    with _show_progress() as show:
        found = evaluate_dataset(settings, dataset, DatasetOptions(**flags), show)
    if json:
        print(json_format.dumps(list_metrics(found)))
    else:
        print_evaluation(found, Console())
    if out is not None:
        write_evaluation(found, make_report(found, derive_limits(settings), flags["column"]), out)
        if not json:
            print(f"written to {out}")
    return EXIT_FAILED if found.failed else 0


@contextmanager
def _show_progress() -> Iterator[Callable[[int, int], None]]:
    """Show a bar with images a second and the time that is left, on a terminal alone."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("images", total=None)

        def show(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield show
