"""The checkpoints that are served: the bundled digits, and ViT-Ti/16 and ViT-B/16 at 224 pixels.

The last two get seeded random weights, once, in an ignored folder. Loads no torch.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.kit.servers import ROOT, BenchError

BUNDLED = ROOT / "app" / "demo" / "checkpoint"
FOLDER = ROOT / "bench" / ".models"
MODELS = ("digits", "tiny", "base")


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint and how it is measured.

    Attributes:
        name: for the tables.
        folder: what ``save_pretrained`` wrote.
        is_small: its batches take some milliseconds. wrk drives it, and the peers run it on one
            torch thread; a large one is counted to the last answer, and
            the peers give torch all cores.
    """

    name: str
    folder: Path
    is_small: bool


def find_checkpoint(name: str) -> Checkpoint:
    """Return one of MODELS, made where it is missing."""
    if name == "digits":
        return Checkpoint(name, BUNDLED, is_small=True)
    folder = FOLDER / name
    if not folder.exists():
        make_checkpoint(name, folder)
    return Checkpoint(name, folder, is_small=False)


def find_folder(path: Path) -> Checkpoint:
    """Return a checkpoint of the user's own, named by its folder and taken for a large one."""
    if not (path / "config.json").is_file():
        raise BenchError(f"{path} has no config.json: give --model a folder of save_pretrained()")
    return Checkpoint(path.resolve().name, path.resolve(), is_small=False)


def make_checkpoint(name: str, folder: Path) -> None:
    """Make the checkpoint beside its place and move it there when it is whole."""
    print(f"making random weights for {name}, once", file=sys.stderr)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as made:
        command = (sys.executable, "-m", "bench.kit.weights", name, made)
        subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
        shutil.copytree(made, folder)
