"""Make the bundled checkpoint: export the digits, tune a small model on them, keep its files.

Run ``python -m tools.train_digits [--out FOLDER] [--samples FOLDER] [--run FOLDER]``; the last line
printed is the accuracy on the held-out fifth, measured as the service would answer.
"""

import argparse
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
from safetensors.numpy import load_file
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from app.settings import Settings
from app.training.options import TuneOptions
from app.training.start import save_model
from app.training.tune import Outcome, tune_model
from tools.train_digits.digits import (
    CLASSES,
    SEED,
    Split,
    split_digits,
    write_dataset,
    write_samples,
)

INPUT_SIDE = 32
INIT_SPREAD = 0.13  # about 1 / sqrt(width 64): the usual 0.02 learns far slower here
EPOCHS = 55
DEMO = Path(__file__).resolve().parents[2] / "app" / "demo"
FILES = ("config.json", "model.safetensors", "preprocessor_config.json")
CARD = """---
license: cc-by-4.0
pipeline_tag: image-classification
---

# Handwritten digits, a very small ViT

A Vision Transformer ({parameters:,} parameters; 32x32 input, 4x4 patches, 4 layers of width 64)
that names the handwritten digit, 0 to 9, in a picture: light strokes on a dark ground.

- **Intended use:** demonstration of the service. Not for reading digits in earnest.
- **Data:** the {total:,} 8x8 digits of scikit-learn's `load_digits`, a copy of the test set of
  *Optical Recognition of Handwritten Digits* (E. Alpaydin, C. Kaynak; UCI Machine Learning
  Repository, doi:10.24432/C50P49), licensed CC BY 4.0. Values 0..16 become grey levels 0..255,
  enlarged to 64x64 (bicubic).
- **Split:** stratified, {train} digits to train on and {test} held out (a fifth), seed {seed}.
  Writers are not kept apart: scikit-learn's copy does not name them.
- **Training:** {epochs} epochs of `vitrine tune` from random weights, with `--augment light` (small
  shifts, turns and scales), seed {seed}; the last epoch is kept, whichever was the best.
- **Accuracy on the held-out fifth:** {accuracy:.4f} ({right} of {test}), each digit saved as a
  PNG and scored by the engine that serves. The settings were chosen with this fifth in view.
- **Limits:** dark ink on white paper, several digits, or anything that is not a digit gets a
  confident wrong answer.

Made by `python -m tools.train_digits`.
"""


def main() -> None:
    """Tune, and write the checkpoint and the samples to the folders asked for."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=DEMO / "checkpoint")
    parser.add_argument("--samples", type=Path, default=DEMO / "samples")
    parser.add_argument("--run", type=Path, help="keep the run in this folder, a new one")
    folders = parser.parse_args()
    split = split_digits()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        write_dataset(work / "digits", split)
        outcome = tune_digits(work, folders.run or work / "run")
        folders.out.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(outcome.last_checkpoint / name, folders.out / name)
    card = fill_card(folders.out, outcome.last.metrics.accuracy, split)
    (folders.out / "README.md").write_text(card, encoding="utf-8")
    write_samples(folders.samples, split)
    print(f"accuracy {outcome.last.metrics.accuracy:.4f}")


def tune_digits(work: Path, run: Path) -> Outcome:
    """Tune a new model on the exported digits in `work`, into a run folder."""
    write_untrained(work / "untrained")
    options = TuneOptions(
        dataset=str(work / "digits"),
        out=run,
        base=str(work / "untrained"),
        seed=SEED,
        epochs=EPOCHS,
        rate=2e-3,
        batch_size=64,
        augment="light",
    )
    say = partial(print, file=sys.stdout, flush=True)
    return tune_model(Settings(model="bundled"), options, say)


def write_untrained(folder: Path) -> None:
    """Write the model to start from, with random weights, and the processor that users get."""
    torch.manual_seed(SEED)
    names = {index: str(index) for index in range(CLASSES)}
    config = ViTConfig(
        image_size=INPUT_SIDE,
        patch_size=4,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=128,
        initializer_range=INIT_SPREAD,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=names,
        label2id={name: index for index, name in names.items()},
    )
    folder.mkdir(parents=True)
    save_model(ViTForImageClassification(config), folder)
    size = {"height": INPUT_SIDE, "width": INPUT_SIDE}
    processor = ViTImageProcessorPil(size=size, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    processor.save_pretrained(folder)


def fill_card(checkpoint: Path, accuracy: float, split: Split) -> str:
    """Return the model card's text for a checkpoint of this accuracy."""
    train, test = len(split.train_labels), len(split.test_labels)
    return CARD.format(
        parameters=sum(one.size for one in load_file(checkpoint / "model.safetensors").values()),
        total=train + test,
        train=train,
        test=test,
        right=round(accuracy * test),
        accuracy=accuracy,
        epochs=EPOCHS,
        seed=SEED,
    )


if __name__ == "__main__":
    main()
