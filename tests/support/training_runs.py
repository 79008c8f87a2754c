"""Training runs of folders that look like checkpoints, and how the best one of them is found."""

import json
from pathlib import Path

import pytest

from app.classifier.checkpoint.best_checkpoint import find_checkpoint
from app.classifier.checkpoint.choice import parse_choice
from app.classifier.checkpoint.snapshot import SNAPSHOT
from app.errors import CheckpointError


def make_checkpoint(folder: Path) -> Path:
    """Make a folder that looks like a checkpoint."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def write_run(run: Path, *metrics: object) -> Path:
    """Write a run with a checkpoint `epoch_N` for each metrics, from old to new."""
    names = [make_checkpoint(run / f"epoch_{number}").name for number in range(len(metrics))]
    results = [
        {"checkpoint_dir_name": name, "metrics": one}
        for name, one in zip(names, metrics, strict=True)
    ]
    state = {
        "latest_checkpoint_result": results[-1],
        "checkpoint_results": results,
        "checkpoint_report_indices": list(range(len(results))),
    }
    (run / SNAPSHOT).write_text(json.dumps(state))
    return run


def find(folder: Path, text: str) -> str:
    """Find a checkpoint; gives its path below `folder`."""
    return find_checkpoint(folder, parse_choice(text)).relative_to(folder).as_posix()


def fail(folder: Path, text: str) -> str:
    """Fail to find a checkpoint; gives the message, which must be one line."""
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(folder, parse_choice(text))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"VITRINE_CHECKPOINT={text}: ")
    return message
