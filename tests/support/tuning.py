"""Small datasets to tune on: pictures whose label is their colour, and the option for them."""

from pathlib import Path

import numpy as np
from PIL import Image

COLORS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def write_colors(folder: Path, count: int = 12, labels: tuple[str, ...] = tuple(COLORS)) -> Path:
    """Write `count` noisy pictures of 32 x 32 pixels for each label into `folder/LABEL/`."""
    random = np.random.default_rng(0)
    for label in labels:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            noise = random.integers(-30, 31, (32, 32, 3))
            pixels = np.clip(np.array(COLORS[label]) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number:03}.png")
    return folder
