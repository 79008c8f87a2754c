"""The two sets of pictures: handwritten digits, and crops of photographs.

The digits are those that the bundled checkpoint was not trained on, drawn as the bundled samples,
each also a second time, moved about as much as in its training. A photograph is a class; nine cells
part it, and three of them are held out. Pictures of one source (a digit, a cell) resemble each
other, so intervals resample sources.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from bench.studies.photographs import SOURCES, read_source
from tools.train_digits.digits import digit_png, split_digits

SEED = 5
CLASSES = [index for index, path in enumerate(SOURCES) if path.stem != "motorcycle_right"]
"""Photographs that are classes; the left out one shows the same as another."""

SIDE, CELLS, CELL_STEP = 48, 3, 3
"""Pixels of a crop; rows and columns of cells; every third cell of a photograph is held out."""

MIN_SHARE = 0.4
"""Of a cell's shorter edge, the least edge of a crop."""

NOISE = 8  # grey levels, either way

DIGIT_SIDE = 32
"""Pixels that the bundled model sees."""

MAX_TURN = 0.15  # radians
MAX_SHIFT = 0.12  # of half a side
MIN_SCALE, MAX_SCALE = 0.75, 1.15


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures that a model was not trained on.

    Attributes:
        name: for the tables.
        pixels: `[n, side, side, 3]` uint8.
        labels: `[n]`, their true labels.
        sources: `[n]`, what each was made of.
    """

    name: str
    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    sources: NDArray[np.int64]

    def select(self, chosen: NDArray[np.generic]) -> "PictureSet":
        """Return the pictures of an index or a mask."""
        parts = (self.pixels[chosen], self.labels[chosen], self.sources[chosen])
        return PictureSet(self.name, *parts)


def make_digits() -> PictureSet:
    """Return the held-out digits, then the same ones moved."""
    split = split_digits()
    digits = np.stack([_read_digit(digit_png(digit)) for digit in split.test_digits])
    still = torch.from_numpy(digits).permute(0, 3, 1, 2).float()
    generator = torch.Generator().manual_seed(SEED)
    grid = _move_at_random(len(still), DIGIT_SIDE, generator)
    moved = functional.grid_sample(still, grid, align_corners=False)
    values = torch.cat([still, moved]).round().clamp(0, 255).byte()
    numbers = np.arange(len(still))
    labels = np.concatenate([split.test_labels] * 2).astype(np.int64)
    pixels = values.permute(0, 2, 3, 1).numpy()
    return PictureSet("digits", pixels, labels, np.concatenate([numbers, numbers]))


def _read_digit(png: bytes) -> NDArray[np.uint8]:
    """Read a digit as the bundled checkpoint's processor does."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.resize((DIGIT_SIDE, DIGIT_SIDE), Image.Resampling.BILINEAR))


def _move_at_random(count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Return (count, side, side, 2) sampling positions: turned, shifted, scaled."""
    draw = torch.rand(5, count, generator=generator)
    turn, right, down = (2 * draw[:3] - 1) * torch.tensor([[MAX_TURN], [MAX_SHIFT], [MAX_SHIFT]])
    wide, high = 1 / (MIN_SCALE + (MAX_SCALE - MIN_SCALE) * draw[3:])
    cos, sin = turn.cos(), turn.sin()
    rows = [wide * cos, -wide * sin, right, high * sin, high * cos, down]
    theta = torch.stack(rows, dim=1).view(-1, 2, 3)
    return functional.affine_grid(theta, [count, 1, side, side], align_corners=False)


def make_crops(count: int, seed: int, *, held_out: bool) -> PictureSet:
    """Return `count` crops of the photographs' cells, by the seed."""
    random = np.random.default_rng(seed)
    pixels = np.empty((count, SIDE, SIDE, 3), np.uint8)
    labels, sources = np.empty(count, np.int64), np.empty(count, np.int64)
    cells = [cell for cell in range(CELLS**2) if _is_held_out(cell) == held_out]
    for number in range(count):
        label, cell = int(random.integers(len(CLASSES))), int(random.choice(cells))
        pixels[number] = _crop(CLASSES[label], cell, random)
        labels[number], sources[number] = label, label * CELLS**2 + cell
    return PictureSet("photographs", pixels, labels, sources)


def _is_held_out(cell: int) -> bool:
    """Tell whether a cell is held out: one in each row and in each column is."""
    row, column = divmod(cell, CELLS)
    return (row + column) % CELL_STEP == 0


def _crop(source: int, cell: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a square of a cell at random, half of the time flipped, with a sensor's noise."""
    image = read_source(source)
    row, column = divmod(cell, CELLS)
    width, height = image.width / CELLS, image.height / CELLS
    edge = random.uniform(MIN_SHARE, 1) * min(width, height)
    left = column * width + random.uniform(0, width - edge)
    top = row * height + random.uniform(0, height - edge)
    box = (left, top, left + edge, top + edge)
    crop = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box).convert("RGB")
    pixels = np.asarray(crop)[:, :: int(random.choice((1, -1)))].astype(np.int16)
    pixels += random.integers(-NOISE, NOISE, pixels.shape, np.int16, endpoint=True)
    return pixels.clip(0, 255).astype(np.uint8)


def make_mosaics(pictures: PictureSet, count: int) -> Iterator[tuple[NDArray[np.uint8], list[int]]]:
    """Yield mosaics of four pictures of different labels at half their size, and the labels."""
    random = np.random.default_rng(SEED)
    side = pictures.pixels.shape[1] // 2
    for _ in range(count):
        labels = random.choice(np.unique(pictures.labels), 4, replace=False)
        chosen = [random.choice(np.flatnonzero(pictures.labels == label)) for label in labels]
        small = [
            np.asarray(Image.fromarray(pictures.pixels[one]).resize((side, side))) for one in chosen
        ]
        yield np.vstack([np.hstack(small[:2]), np.hstack(small[2:])]), labels.tolist()
