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
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from app.errors import CheckpointError

SNAPSHOT = "checkpoint_manager_snapshot.json"

_PATTERNS = ("checkpoint", "checkpoint[_-]*", "*/checkpoint[_-]*", "*/*/checkpoint[_-]*")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}(?:\.\d+)?")
_NUMBER = re.compile(r"checkpoint[_-](\d+)(?:/|$)")
_RANKS = ("time stamp", "number", "file time")

_logger = logging.getLogger("vitrine.checkpoint")


class _Result(BaseModel):
    checkpoint_dir_name: str


class _Snapshot(BaseModel):
    """The fields of Ray Train V2's `_CheckpointManagerState` that name the newest checkpoint."""

    latest_checkpoint_result: _Result | None = None
    checkpoint_results: list[_Result] = []
    checkpoint_report_indices: list[int] = []

    def list_names(self) -> list[str]:
        """List the folders of the checkpoints, the newest first."""
        reported = zip(self.checkpoint_report_indices, self.checkpoint_results, strict=False)
        results = [result for _, result in sorted(reported, key=lambda pair: -pair[0])]
        latest = [self.latest_checkpoint_result] if self.latest_checkpoint_result else []
        return [result.checkpoint_dir_name for result in latest + results]


def find_newest_checkpoint(folder: Path) -> Path:
    """Find the newest checkpoint at or below `folder`; `folder` itself when it is one.

    Raises:
        CheckpointError: there is none.
    """
    if (folder / "config.json").is_file():
        return folder
    named = {found for one in _PATTERNS for path in folder.glob(one) if (found := _find(path))}
    snapshots = (folder / SNAPSHOT, *folder.glob(f"*/{SNAPSHOT}"))
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


def _find(folder: Path) -> Path | None:
    """Find a checkpoint in `folder` or in its `checkpoint/`."""
    return next(
        (one for one in (folder, folder / "checkpoint") if (one / "config.json").is_file()), None
    )


def _read_newest(snapshot: Path) -> Path | None:
    """Find the newest checkpoint that a snapshot names; a name must not lead out of its run."""
    if not snapshot.is_file():
        return None
    run = snapshot.parent
    with suppress(OSError, ValueError):
        for name in _Snapshot.model_validate_json(snapshot.read_bytes()).list_names():
            found = _find(run / name)
            if found is not None and found.resolve().is_relative_to(run.resolve()):
                return found
    _logger.warning("%s is ignored: it is damaged or names no checkpoint in its run", snapshot)
    return None


def _rank(name: Path, path: Path) -> tuple[str, int, float]:
    """Rank by the latest time stamp in the name, then the checkpoint's number, then file time."""
    stamps, numbers = _TIMESTAMP.findall(name.as_posix()), _NUMBER.findall(name.as_posix())
    modified = (path / "config.json").stat().st_mtime
    return max(stamps, default=""), int(numbers[-1]) if numbers else -1, modified


def _find_rule(ranks: list[tuple[str, int, float]]) -> str:
    """Name what sets the highest rank apart from the next."""
    pairs = zip(_RANKS, ranks[-1], ranks[-2:][0], strict=True)
    return next((rule for rule, one, other in pairs if one != other), "name")
