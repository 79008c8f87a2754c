"""The checkpoints that Ray Train V1 recorded in a trial's `result.json`: a JSON object a line."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from app.classifier.checkpoint.reported import Reported, find_reported, read_bounded

RESULT_LOG = "result.json"


def find_result_logs(folder: Path) -> list[Path]:
    """Find the logs of a trial, of a run's trials, or of those of the runs in a storage folder."""
    levels = (RESULT_LOG, f"*/{RESULT_LOG}", f"*/*/{RESULT_LOG}")
    return [log for level in levels for log in folder.glob(level) if log.is_file()]


def read_result_log(log: Path) -> list[Reported]:
    """Read which checkpoints of the log's trial are still there, the newest first."""
    lines = reversed(read_bounded(log).splitlines())
    results = (result for line in lines for result in _parse(line))
    found = (find_reported(log.parent, str(one["checkpoint_dir_name"]), one) for one in results)
    return [one for one in found if one is not None]


def _parse(line: bytes) -> Iterator[dict[str, object]]:
    """Parse a line; nothing where it is damaged, or tells of no checkpoint."""
    with suppress(ValueError, RecursionError):
        result = json.loads(line)
        if isinstance(result, dict) and isinstance(result.get("checkpoint_dir_name"), str):
            yield result
