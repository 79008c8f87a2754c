"""The checkpoints that are served: the bundled digits, and ViT-Ti, -B and -L/16 at 224 pixels.

All but the first get seeded random weights, once, in an ignored folder, by a process of its own:
the benchmark itself loads no torch.
"""

import io
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from bench.kit.images import make_picture
from bench.kit.results import BenchError
from tests.support.service import ROOT

BUNDLED = ROOT / "app" / "demo" / "checkpoint"
FOLDER = ROOT / "bench" / ".models"
MODELS = ("digits", "tiny", "base")
TINY = {"hidden_size": 192, "num_attention_heads": 3, "intermediate_size": 768}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16} | {
    "intermediate_size": 4096
}
SHAPES: dict[str, dict[str, int]] = {"tiny": TINY, "base": {}, "large": LARGE}
"""What differs from ViT-B/16, which is what ViTConfig gives."""

EDGE, LABELS, SEED = 224, 1000, 0
CROPS = [(x, y, x + EDGE, y + EDGE) for x in range(0, 361, 72) for y in (0, 128, 256)]
"""18 squares of the drawn photograph."""

HEAD_SPREAD = 0.2
"""Of the last layer's weights: at ViT's own 0.02 all labels score alike and any answer is right."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint: a name for the tables, and the folder that ``save_pretrained`` wrote.

    wrk drives a small one, and peers run it on one torch thread; a large one is counted to the last
    answer, on all cores.
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
        print(f"making random weights for {name}, once", file=sys.stderr)
        FOLDER.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as made:
            command = (sys.executable, "-m", "bench.kit.models", name, made)
            subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)
            shutil.copytree(made, folder)
    return Checkpoint(name, folder, is_small=False)


def find_folder(path: Path) -> Checkpoint:
    """Return a checkpoint of the user's own, named by its folder and taken for a large one."""
    if not (path / "config.json").is_file():
        raise BenchError(f"{path} has no config.json: give --model a folder of save_pretrained()")
    return Checkpoint(path.resolve().name, path.resolve(), is_small=False)


def find_int8(checkpoint: Checkpoint) -> Path:
    """Return the checkpoint as ``vitrine quantize`` writes it, made where it is missing.

    Calibrated on crops of the drawn photograph, it shows the time that int8 needs and not how well
    it agrees: any agreement will do.
    """
    folder = FOLDER / f"{checkpoint.name}-int8"
    if not folder.exists():
        print(f"quantizing {checkpoint.name}, once", file=sys.stderr)
        with tempfile.TemporaryDirectory() as crops:
            for number, box in enumerate(CROPS):
                image = Image.open(io.BytesIO(make_picture("jpeg").content)).crop(box)
                image.save(Path(crops) / f"{number}.png")
            command = (sys.executable, "-m", "app.cli.main", "quantize", "--images", crops)
            given = ("--out", folder, "--model", checkpoint.folder, "--min-agreement", "0")
            subprocess.run((*command, *given), check=True, cwd=ROOT, stdout=sys.stderr)
    return folder


def write_checkpoint(name: str, folder: str) -> None:
    """Write the model of that shape, with seeded random weights, and its processor."""
    import torch  # noqa: PLC0415 - in the process of its own alone
    import transformers as hf  # noqa: PLC0415

    torch.manual_seed(SEED)
    config = hf.ViTConfig(image_size=EDGE, patch_size=16, num_labels=LABELS, **SHAPES[name])
    model = hf.ViTForImageClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=HEAD_SPREAD)
    model.save_pretrained(folder)
    size, half = {"height": EDGE, "width": EDGE}, [0.5] * 3
    hf.ViTImageProcessor(size=size, image_mean=half, image_std=half).save_pretrained(folder)


if __name__ == "__main__":
    write_checkpoint(*sys.argv[1:])
