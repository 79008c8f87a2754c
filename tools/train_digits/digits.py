"""scikit-learn's digits: the split that is always the same, and the pictures made of them."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 0
TEST_SHARE = 0.2
CLASSES = 10
DIGIT_MAX = 16.0
PICTURE_SIDE = 64
SAMPLES_PER_CLASS = 2

Digits = NDArray[np.float64]
Labels = NDArray[np.int64]


class Split(NamedTuple):
    """Digits as (N, 8, 8) arrays of ink, 0..16, with their (N,) labels, 0..9."""

    train_digits: Digits
    test_digits: Digits
    train_labels: Labels
    test_labels: Labels


def split_digits() -> Split:
    """Return the same stratified split every time: four fifths to train on, a fifth held out."""
    data = load_digits()
    return Split(
        *train_test_split(
            data.images,
            data.target,
            test_size=TEST_SHARE,
            stratify=data.target,
            random_state=SEED,
        ),
    )


def digit_png(digit: Digits) -> bytes:
    """Return an (8, 8) digit of ink 0..16 as the bytes of a 64x64 RGB PNG, ink white on black."""
    grey = Image.fromarray(np.rint(digit * (255.0 / DIGIT_MAX)).astype(np.uint8))
    picture = grey.resize((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BICUBIC).convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def write_dataset(folder: Path, split: Split) -> None:
    """Write an image folder: `train/LABEL/PLACE.png` and `holdout/LABEL/PLACE.png`."""
    parts = {
        "train": (split.train_digits, split.train_labels),
        "holdout": (split.test_digits, split.test_labels),
    }
    for part, (digits, labels) in parts.items():
        for place, (digit, label) in enumerate(zip(digits, labels, strict=True)):
            path = folder / part / str(label) / f"{place:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(digit_png(digit))


def write_samples(folder: Path, split: Split) -> None:
    """Write the first held-out digits of each class, in split order, as ``label-index.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    for label in range(CLASSES):
        chosen = split.test_digits[split.test_labels == label][:SAMPLES_PER_CLASS]
        for index, digit in enumerate(chosen):
            (folder / f"{label}-{index}.png").write_bytes(digit_png(digit))
