"""The newest checkpoint of a training run, by the names that Ray Train and transformers give.

A Ray Train run is `TorchTrainer_<date>/TorchTrainer_<trial>_<date>/checkpoint_<n>/checkpoint/`;
any of these levels may be given. Names decide first, because copying a run loses its times.
"""

import re
from pathlib import Path

from app.errors import CheckpointError

_LEVELS = (
    "checkpoint",
    "checkpoint[_-]*",
    "checkpoint[_-]*/checkpoint",
    "*/checkpoint[_-]*",
    "*/checkpoint[_-]*/checkpoint",
    "*/*/checkpoint[_-]*",
    "*/*/checkpoint[_-]*/checkpoint",
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}")
_NUMBER = re.compile(r"checkpoint[_-](\d+)")


def find_newest_checkpoint(folder: Path) -> Path:
    """Find the newest checkpoint at or below `folder`; `folder` itself when it is one.

    Raises:
        CheckpointError: there is none.
    """
    if (folder / "config.json").is_file():
        return folder
    found = [path for level in _LEVELS for path in folder.glob(level) if _is_checkpoint(path)]
    if not found:
        message = (
            f"{folder} has no config.json and no Ray Train checkpoint below it. "
            "Point VITRINE_MODEL at a folder that save_pretrained() wrote."
        )
        raise CheckpointError(message)
    return max(found, key=lambda path: _rank(path.relative_to(folder.parent), path))


def _is_checkpoint(path: Path) -> bool:
    return (path / "config.json").is_file()


def _rank(name: Path, path: Path) -> tuple[list[str], list[int], float]:
    """Order by the dates in the path, then the checkpoint's number, then the file's time."""
    return (
        _DATE.findall(name.as_posix()),
        [int(number) for number in _NUMBER.findall(name.as_posix())],
        (path / "config.json").stat().st_mtime,
    )
