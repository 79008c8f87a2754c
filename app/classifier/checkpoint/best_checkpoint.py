"""The best checkpoint of a training run of Ray Train (V1 or V2), by a metric that it reported."""

import logging
import textwrap
from collections.abc import Iterator
from pathlib import Path

from app.classifier.checkpoint.choice import Choice
from app.classifier.checkpoint.reported import Reported
from app.classifier.checkpoint.result_log import RESULT_LOG, find_result_logs, read_result_log
from app.classifier.checkpoint.snapshot import SNAPSHOT, find_snapshots, read_snapshot
from app.classifier.checkpoint.training_run import find_newest_checkpoint
from app.errors import CheckpointError

MAX_LISTED = 200
"""Characters of the metrics that an error lists."""

_logger = logging.getLogger("vitrine.checkpoint")


def find_checkpoint(folder: Path, choice: Choice) -> Path:
    """Find the chosen checkpoint at or below `folder`; raises CheckpointError."""
    return find_best_checkpoint(folder, choice) if choice.metric else find_newest_checkpoint(folder)


def find_best_checkpoint(folder: Path, choice: Choice) -> Path:
    """Find the best checkpoint of the runs at or below `folder`; of equal ones the newest.

    Raises:
        CheckpointError: `folder` is no run, or none of its checkpoints has the metric.
        OSError: a record was deleted meanwhile.
    """
    check_is_run(folder, choice, is_run=not (folder / "config.json").is_file())
    reported = list(_list_reported(folder))
    having = [one for one in reported if choice.metric in one.metrics]
    if not having:
        raise CheckpointError(_describe_lack(folder, choice, reported))
    sign = -1 if choice.is_min else 1
    best = max(having, key=lambda one: sign * one.metrics[choice.metric])
    _logger.info(
        "checkpoint of %s with the %s %s (%g), 1 of %d: %s",
        folder,
        "lowest" if choice.is_min else "highest",
        choice.metric,
        best.metrics[choice.metric],
        len({one.path for one in having}),
        best.path,
    )
    return best.path


def check_is_run(model: Path | str, choice: Choice, *, is_run: bool) -> None:
    """Raise CheckpointError where a model is to be chosen from a training run and is none."""
    if choice.metric and not is_run:
        message = (
            f"VITRINE_CHECKPOINT={choice.text}: {model} is a checkpoint, not a training run. "
            "Unset it, or point VITRINE_MODEL at the run's folder."
        )
        raise CheckpointError(message)


def _list_reported(folder: Path) -> Iterator[Reported]:
    """List the checkpoints of all runs, from the record that was written last; raises OSError."""
    records = [*find_snapshots(folder), *find_result_logs(folder)]
    written = {record: record.stat().st_mtime for record in records}
    for record in sorted(records, key=lambda one: (written[one], one), reverse=True):
        yield from (read_snapshot if record.name == SNAPSHOT else read_result_log)(record)


def _describe_lack(folder: Path, choice: Choice, reported: list[Reported]) -> str:
    """Say why no checkpoint is the best, and what can be asked for."""
    start = f"VITRINE_CHECKPOINT={choice.text}: "
    if not reported:
        return (
            f"{start}{folder} has no checkpoint in a {SNAPSHOT} or {RESULT_LOG} of Ray Train, "
            "which hold the metrics. Set it to newest, or point VITRINE_MODEL at a run."
        )
    names = sorted({name for one in reported for name in one.metrics if name.isprintable()})
    listed = textwrap.shorten(", ".join(names), MAX_LISTED, placeholder=" …") or "none"
    return (
        f"{start}no checkpoint of {folder} reports a number of that name. Their metrics are: "
        f"{listed}."
    )
