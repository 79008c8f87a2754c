"""The newest checkpoint of a training run of Ray Train (V1 or V2) or of transformers' Trainer.

    V2  <run>/checkpoint_2026-11-20_10-00-00.123456/, or a name of the user's own
    V1  TorchTrainer_<date>/TorchTrainer_<trial>_<date>/checkpoint_000010/
    HF  <run>/checkpoint-500/

RayTrainReportCallback puts the model one level deeper, into `checkpoint/`. Any level may be given.
V2 records the order of its checkpoints in a snapshot. Without one, time stamps and numbers in the
names decide, then file times, which copying a run may change.
"""

import logging
import re
from pathlib import Path

from app.classifier.checkpoint.reported import find_config
from app.classifier.checkpoint.snapshot import SNAPSHOT, find_snapshots, read_snapshot
from app.errors import CheckpointError

_PATTERNS = ("checkpoint", "checkpoint[_-]*", "*/checkpoint[_-]*", "*/*/checkpoint[_-]*")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}(?:\.\d+)?")
_NUMBER = re.compile(r"checkpoint[_-](\d+)(?:/|$)")
_RANKS = ("time stamp", "number", "file time")

_logger = logging.getLogger("vitrine.checkpoint")


def find_newest_checkpoint(folder: Path) -> Path:
    """Find the newest checkpoint at or below `folder`; `folder` itself when it is one.

    Raises:
        CheckpointError: there is none.
    """
    if (folder / "config.json").is_file():
        return folder
    named = {
        found for one in _PATTERNS for path in folder.glob(one) if (found := find_config(path))
    }
    snapshots = find_snapshots(folder)
    recorded = {one.parent: found for one in snapshots if (found := _read_newest(one))}
    candidates = {path for path in named if recorded.keys().isdisjoint(path.parents)}
    ranked = sorted(
        (_rank(path.relative_to(folder.parent), path), path)
        for path in candidates.union(recorded.values())
    )
    if not ranked:
        message = (
            f"{folder} has no config.json and no Ray Train checkpoint below it. "
            "Point VITRINE_MODEL at a folder that save_pretrained() wrote."
        )
        raise CheckpointError(message)
    newest = ranked[-1][1]
    count = len(named.union(recorded.values()))
    is_recorded = len(ranked) == 1 and newest in recorded.values()
    rule = SNAPSHOT if is_recorded else _find_rule([rank for rank, _ in ranked])
    _logger.info("newest checkpoint of %s, 1 of %d by %s: %s", folder, count, rule, newest)
    return newest


def _read_newest(snapshot: Path) -> Path | None:
    """Find the newest checkpoint that a snapshot names; None if it names none in its run."""
    return next((one.path for one in read_snapshot(snapshot)), None)


def _rank(name: Path, path: Path) -> tuple[str, int, float]:
    """Rank by the latest time stamp in the name, then the checkpoint's number, then file time."""
    stamps, numbers = _TIMESTAMP.findall(name.as_posix()), _NUMBER.findall(name.as_posix())
    modified = (path / "config.json").stat().st_mtime
    return max(stamps, default=""), int(numbers[-1]) if numbers else -1, modified


def _find_rule(ranks: list[tuple[str, int, float]]) -> str:
    """Name what sets the highest rank apart from the next."""
    pairs = zip(_RANKS, ranks[-1], ranks[-2:][0], strict=True)
    return next((rule for rule, one, other in pairs if one != other), "name")
