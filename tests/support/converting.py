"""A program that loads a checkpoint without torch in its own process, and describes what it got."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.service import ROOT

LOAD = """
import json, logging, sys
from pathlib import Path
import numpy as np
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.errors import StartupError

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger("vitrine").addHandler(handler)
folder, cache = sys.argv[1:]
try:
    options = EngineOptions(cache=Path(cache) if cache else None)
    model = Model(open_checkpoint(folder), options)
    pixels = np.random.default_rng(7).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    model.engine.set_threads(1)
    found = {"logits": model.forward(pixels).tolist(), "engine": model.description.engine}
except StartupError as error:
    found = {"error": type(error).__name__, "message": str(error)}
heavy = [name for name in ("torch", "transformers") if name in sys.modules]
print(json.dumps(found | {"heavy": heavy, "lines": lines}))
"""


def start_loading(folder: Path, cache: Path | None, before: str = "") -> "subprocess.Popen[str]":
    """Start the program; `before` is code that it runs first."""
    command = [sys.executable, "-c", before + LOAD, str(folder), str(cache or "")]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def read_loaded(process: "subprocess.Popen[str]") -> dict[str, object]:
    """Wait for the program and read what it got."""
    output, _ = process.communicate(timeout=120)
    return dict(json.loads(output))
