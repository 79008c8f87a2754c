"""A checkpoint's calibration: the temperature that makes its softmax as sure as it is right.

The logits are divided by it (Guo et al. 2017, arXiv:1706.04599). `vitrine tune` fits it on the
images that it holds out.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from app.backend import Activation
from app.errors import CheckpointError

CALIBRATION = "calibration.json"

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.001, 1000.0
"""What a fit can give; beyond, float32 would score nothing but 0, 1 or all alike."""

MAX_BYTES = 1 << 16
"""Bytes of the file, which has a handful of numbers."""

_FIX = "Calibrate the checkpoint anew, or set VITRINE_CALIBRATION=off."


class Calibration(NamedTuple):
    """A temperature, and the SHA-256 of the file that it is from."""

    temperature: float = 1.0
    digest: bytes = b""


def read_calibration(folder: Path, activation: Activation) -> Calibration:
    """Read the calibration of the checkpoint in `folder`.

    Raises:
        CheckpointError: there is none, it holds no temperature, or the activation takes none.
        OSError: the file cannot be read.
    """
    if activation != "softmax":
        message = (
            f"VITRINE_CALIBRATION=temperature, but {folder} has no softmax: its activation is "
            f"{activation}. Set it to off."
        )
        raise CheckpointError(message)
    path = folder / CALIBRATION
    if not path.is_file():
        message = (
            f"VITRINE_CALIBRATION=temperature, but {folder} has no {CALIBRATION}. `vitrine tune` "
            "writes one; without it, set it to off."
        )
        raise CheckpointError(message)
    with path.open("rb") as file:
        text = file.read(MAX_BYTES + 1)
    return Calibration(_parse(text, path), hashlib.sha256(text).digest())


def _parse(text: bytes, path: Path) -> float:
    """Parse the temperature; raises CheckpointError."""
    try:
        value = json.loads(text) if len(text) <= MAX_BYTES else None
    except (ValueError, RecursionError) as exc:
        raise CheckpointError(f"{path} is not readable JSON. {_FIX}") from exc
    temperature: Any = value.get("temperature") if isinstance(value, dict) else None
    is_number = isinstance(temperature, int | float) and not isinstance(temperature, bool)
    if is_number and MIN_TEMPERATURE <= temperature <= MAX_TEMPERATURE:
        return float(temperature)
    message = (
        f"{path} has no temperature that is a number from {MIN_TEMPERATURE:g} to "
        f"{MAX_TEMPERATURE:g}. {_FIX}"
    )
    raise CheckpointError(message)
