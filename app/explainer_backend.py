"""The interface between core and explainer: a protocol, and the values that pass through it.

As in `app.backend`, a field that is added needs a default.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.backend import Geometry, Logits, Pixels


@dataclass(frozen=True)
class Picture:
    """What a map is drawn over.

    Attributes:
        pixels: `[height, width, 3]` uint8, the upright image.
        crop: left, top, width and height of what the model saw of it; None if that is not known.
        opacity: of the map, 0 to 1.
    """

    pixels: Pixels
    crop: tuple[float, float, float, float] | None
    opacity: float


@dataclass(frozen=True)
class ExplainTask:
    """One image to explain.

    Attributes:
        pixels: `[height, width, 3]`, as those of a `Group`.
        label_ids: labels to explain; none: the one with the largest logit.
        method: one of `Description.methods`.
        revision: the revision whose geometry the pixels have.
        geometry: of the pixels.
        timeout_s: seconds until the deadline.
        picture: what to draw the first map over; None to draw nothing.
    """

    pixels: Pixels
    label_ids: tuple[int, ...]
    method: str
    revision: str
    geometry: Geometry
    timeout_s: float = math.inf
    picture: Picture | None = None


@dataclass(frozen=True)
class Explained:
    """What an explainer found for an image.

    Attributes:
        revision: the revision that was explained.
        label_ids: the labels, in the order of the maps.
        logits: `[labels]` float32, of the run that was explained.
        relevance: `[maps, rows, columns]` float32: the largest of each is 1, or all are 0.
        method: the one that was used.
        layers: first, last and number of the layers that count, from 1; None if it has none.
        png: the picture of the task with the first map over it.
    """

    revision: str
    label_ids: tuple[int, ...]
    logits: Logits
    relevance: NDArray[np.float32]
    method: str
    layers: tuple[int, int, int] | None = None
    png: bytes | None = None


class ExplainerBackend(Protocol):
    """An explainer, wherever it runs."""

    async def explain(self, task: ExplainTask) -> Explained:
        """Explain an image; raises ProblemError."""
        ...
