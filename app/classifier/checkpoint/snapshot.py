"""The checkpoints that Ray Train V2 recorded in a run's snapshot."""

import logging
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel

from app.classifier.checkpoint.reported import Reported, find_reported, read_bounded

SNAPSHOT = "checkpoint_manager_snapshot.json"

_logger = logging.getLogger("vitrine.checkpoint")


class _Result(BaseModel):
    checkpoint_dir_name: str
    metrics: object = None


class _Snapshot(BaseModel):
    """The fields of Ray Train V2's `_CheckpointManagerState` that tell of checkpoints."""

    latest_checkpoint_result: _Result | None = None
    checkpoint_results: list[_Result] = []
    checkpoint_report_indices: list[int] = []

    def list_results(self) -> list[_Result]:
        """List the results, the newest first; their own order may be by score."""
        reported = zip(self.checkpoint_report_indices, self.checkpoint_results, strict=False)
        results = [result for _, result in sorted(reported, key=lambda pair: -pair[0])]
        latest = [self.latest_checkpoint_result] if self.latest_checkpoint_result else []
        return latest + results


def find_snapshots(folder: Path) -> list[Path]:
    """Find the snapshots of a run, or of the runs in a storage folder."""
    found = (folder / SNAPSHOT, *folder.glob(f"*/{SNAPSHOT}"))
    return [snapshot for snapshot in found if snapshot.is_file()]


def read_snapshot(snapshot: Path) -> list[Reported]:
    """Read which checkpoints of the snapshot's run are still there, the newest first.

    One that names none is told in the log; the folders' names may tell more.
    """
    results: list[_Result] = []
    with suppress(ValueError):
        results = _Snapshot.model_validate_json(read_bounded(snapshot)).list_results()
    found = [
        find_reported(snapshot.parent, one.checkpoint_dir_name, one.metrics) for one in results
    ]
    reported = [one for one in found if one is not None]
    if not reported:
        _logger.warning("%s is ignored: it is damaged or names no checkpoint in its run", snapshot)
    return reported
