"""Occlusion: how much a label's logit falls when a part of the image is covered.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014. It needs the
engine's logits alone, so it fits every architecture, engine and precision.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import numpy as np
from numpy.typing import NDArray

from app.backend import Logits, Pixels

GRID = 7
"""Rows and columns of the parts; 49 of them and the image itself are 50 predictions."""

BATCH = 25
"""Images in one run of the engine: half of an image's parts, below its default batch of 32."""


def occlude(pixels: Pixels) -> Pixels:
    """Make an image `[height, width, 3]` and copies with a part covered by the mean colour.

    Returns:
        `[1 + parts, height, width, 3]`, the image first, then its parts row by row.
    """
    rows, columns = (_split(edge) for edge in pixels.shape[:2])
    colour = pixels.mean(axis=(0, 1)).astype(pixels.dtype)
    copies = cast("Pixels", np.repeat(pixels[None], 1 + len(rows) * len(columns), axis=0))
    boxes = [(row, column) for row in rows for column in columns]
    for copy, (row, column) in zip(copies[1:], boxes, strict=True):
        copy[row, column] = colour
    return copies


def measure_drops(
    run: Callable[[Pixels], Logits], pixels: Pixels
) -> tuple[Logits, NDArray[np.float32]]:
    """Measure how far each logit falls by each part.

    Args:
        run: pixels `[n, height, width, 3]` to logits `[n, labels]`.
        pixels: `[height, width, 3]`.

    Returns:
        Logits `[labels]` of the image, and drops `[labels, rows, columns]`.
    """
    copies = occlude(pixels)
    parts = cast("list[Pixels]", np.split(copies, range(BATCH, len(copies), BATCH)))
    logits = np.concatenate([run(part) for part in parts])
    grid = (len(_split(pixels.shape[0])), len(_split(pixels.shape[1])))
    return logits[0], (logits[:1] - logits[1:]).T.reshape(-1, *grid)


def _split(edge: int) -> list[slice]:
    """Split an edge into GRID parts, or into pixels if it has fewer."""
    ends = np.linspace(0, edge, min(GRID, edge) + 1).round().astype(int)
    return [slice(start, end) for start, end in pairwise(ends)]
