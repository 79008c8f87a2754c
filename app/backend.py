"""What the core asks of a classifier, and the values that pass between the two.

It knows neither how images are read nor how a model runs: `app.prediction` and
`app.classifier` meet only here.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Activation = Literal["softmax", "sigmoid", "none"]
Pixels = NDArray[np.uint8] | NDArray[np.float32]
Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Geometry:
    """The picture part of a processor: how an RGB image becomes pixels of one fixed size.

    Attributes:
        size: `(height, width)` of the pixels.
        resize: `(height, width)` to resize to, the length of the shortest edge, or None.
        resample: Pillow's number of the resampling filter.
        crop: whether a centre crop to `size` follows.
        fallback: JSON of a transformers image processor that this class cannot express. When set,
            it is run as it is, the other fields do not count, and pixels are float32 that the
            processor has already scaled and normalised.
    """

    size: tuple[int, int]
    resize: tuple[int, int] | int | None
    resample: int
    crop: bool
    fallback: str | None = None

    @property
    def dtype(self) -> type[np.uint8] | type[np.float32]:
        """Of the pixels."""
        return np.uint8 if self.fallback is None else np.float32


@dataclass(frozen=True, slots=True)
class Description:
    """What a classifier serves: all that the ingress needs to know of a checkpoint.

    Attributes:
        model_id: name of the checkpoint.
        revision: commit or content hash of its files.
        labels: names, by label id.
        activation: what turns logits into scores.
        geometry: how images become pixels.
        device: where the model runs, such as `cpu` or `cuda:0`.
        engine: what runs it and in which precision, such as `torch fp32`.
    """

    model_id: str
    revision: str
    labels: tuple[str, ...]
    activation: Activation
    geometry: Geometry
    device: str
    engine: str


@dataclass(frozen=True, slots=True)
class Group:
    """Pixels that travel in one call.

    Attributes:
        pixels: `[n, height, width, 3]` uint8, or what `Geometry.fallback` gives.
        revision: the revision they were prepared for.
        geometry: the geometry they were prepared with.
        timeout_s: seconds after which nobody waits for the answer any more; the clocks of two
            machines differ, so no time of day.
    """

    pixels: Pixels
    revision: str
    geometry: Geometry
    timeout_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Scored:
    """A classifier's answer to a group.

    Attributes:
        revision: the revision that scored it.
        logits: `[n, labels]` float32, or None when the pixels have the wrong geometry.
        description: set when revision or geometry is not the one that the group names.
        inference_ms: milliseconds of the batch that the group was part of.
    """

    revision: str
    logits: Logits | None
    description: Description | None
    inference_ms: float


class Backend(Protocol):
    """A classifier, wherever it runs: in this process or behind a Ray Serve handle."""

    async def describe(self) -> Description:
        """Say what is served; raises ModelUnavailableError."""
        ...

    async def predict(self, group: Group) -> Scored:
        """Score a group; raises a ProblemError that fails the whole group."""
        ...

    async def check(self) -> None:
        """Ask whether the model works, past whatever waits; raises ModelUnavailableError."""
        ...
