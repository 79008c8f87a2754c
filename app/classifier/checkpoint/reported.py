"""A checkpoint that Ray Train recorded, with the metrics that were reported with it.

A record may be damaged or forged: nothing outside of its run is taken from it.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeGuard

MAX_BYTES = 32 << 20
"""Bytes of a record: those of some 30,000 checkpoints with thirty metrics each."""


class Reported(NamedTuple):
    """A checkpoint that is still there, and its metrics that are finite numbers."""

    path: Path
    metrics: dict[str, float]


def read_bounded(record: Path) -> bytes:
    """Read a record; nothing of one that cannot be read or is too large."""
    with suppress(OSError), record.open("rb") as file:
        text = file.read(MAX_BYTES + 1)
        if len(text) <= MAX_BYTES:
            return text
    return b""


def find_config(folder: Path) -> Path | None:
    """Find the checkpoint in `folder` or in its `checkpoint/`; None if there is none."""
    return next(
        (one for one in (folder, folder / "checkpoint") if (one / "config.json").is_file()), None
    )


def find_reported(run: Path, name: str, metrics: object) -> Reported | None:
    """Find the checkpoint of a name; None where it is gone, or leads out of its run."""
    with suppress(OSError, ValueError):
        found = find_config(run / name)
        if found is not None and found.resolve().is_relative_to(run.resolve()):
            return Reported(found, dict(_list_numbers(metrics)))
    return None


def _list_numbers(metrics: object, prefix: str = "") -> Iterator[tuple[str, float]]:
    """List the finite numbers by name; of nested ones as `outer/inner`, as Ray names them."""
    if not isinstance(metrics, dict):
        return
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from _list_numbers(value, f"{prefix}{name}/")
        elif _is_number(value):
            yield f"{prefix}{name}", float(value)


def _is_number(value: object) -> TypeGuard[float]:
    """Tell whether a value is a finite number that fits into a float; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max
