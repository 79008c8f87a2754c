"""Loading a checkpoint through a cache of converted models."""

from pathlib import Path

import numpy as np

from app.backend import Logits
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from tests.support.checkpoints import SIDE

PIXELS = np.random.default_rng(7).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)


def load(folder: Path, cache: Path | None) -> Logits:
    """Load a checkpoint on one thread and score PIXELS."""
    model = Model(open_checkpoint(str(folder)), EngineOptions("cpu", cache=cache))
    assert model.description.engine == "openvino fp32"
    model.engine.set_threads(1)
    return model.forward(PIXELS)


def list_entries(cache: Path) -> list[Path]:
    """List the entries of a cache, and what was never finished."""
    return sorted(path for path in cache.iterdir() if path.is_dir())
