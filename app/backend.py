"""The interface between core and classifier: a protocol, and the values that pass through it.

`app.prediction` and `app.classifier` have nothing else in common. In a rolling update the ingress
may have older code than the classifier, or newer: a field that is added here needs a default, which
is what is read from a message without it.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Activation = Literal["softmax", "sigmoid", "none"]
Pixels = NDArray[np.uint8] | NDArray[np.float32]
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Geometry:
    """The picture part of a processor: how an RGB image becomes pixels of one fixed size.

    Attributes:
        size: `(height, width)` of the pixels.
        resize: `(height, width)` to resize to, the length of the shortest edge, or None.
        resample: Pillow's number of the resampling filter.
        crop: whether a centre crop to `size` follows.
        fallback: JSON of a transformers image processor that the other fields cannot express; it
            runs instead of them, and its pixels are float32, already scaled and normalised.
    """

    size: tuple[int, int]
    resize: tuple[int, int] | int | None
    resample: int
    crop: bool
    fallback: str | None = None

    @property
    def dtype(self) -> type[np.uint8] | type[np.float32]:
        """The data type of the pixels."""
        return np.uint8 if self.fallback is None else np.float32

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of the pixels: height, width, and 3 colours."""
        return (*self.size, 3)


@dataclass(frozen=True)
class Description:
    """A classifier's model, as far as the ingress needs to know it.

    Attributes:
        model_id: name of the checkpoint.
        revision: commit or content hash of its files.
        labels: names, by label id.
        activation: what turns logits into scores.
        geometry: how images become pixels.
        device: such as `cpu` or `cuda:0`.
        engine: its name and precision, such as `torch fp32`.
        methods: methods of explanation that fit the model, the default first; maybe none.
        unexplained: why none of them is the default; empty where one is.
        temperature: what logits are divided by before softmax; 1 where scores are not calibrated.
    """

    model_id: str
    revision: str
    labels: tuple[str, ...]
    activation: Activation
    geometry: Geometry
    device: str
    engine: str
    methods: tuple[str, ...] = ()
    unexplained: str = "The classifier has an older version of Vitrine."
    temperature: float = 1.0


@dataclass(frozen=True)
class Group:
    """Pixels of one call.

    Attributes:
        pixels: `[n, height, width, 3]`, uint8 or float32 (`Geometry.dtype`).
        revision: the revision whose geometry they have.
        geometry: of the pixels.
        timeout_s: seconds until the deadline; no time of day, because clocks of machines differ.
        sender: id of the ingress replica.
        traceparents: the calls with images in it that are traced (W3C Trace Context).
        temperature: of the revision, as the sender knows it.
    """

    pixels: Pixels
    revision: str
    geometry: Geometry
    timeout_s: float = math.inf
    sender: str = ""
    traceparents: tuple[str, ...] = ()
    temperature: float = 1.0

    def knows(self, description: Description) -> bool:
        """Tell whether the sender knows the revision, geometry and temperature of a description."""
        known = self.revision, self.geometry, self.temperature
        return known == (description.revision, description.geometry, description.temperature)


@dataclass(frozen=True)
class Scored:
    """A classifier's result for a group.

    Attributes:
        revision: the revision that scored it.
        logits: `[n, labels]` float32, or None if the pixels have the wrong geometry.
        description: set if the group names another revision, geometry or temperature.
        inference_ms: milliseconds of the group's batch.
        senders: ingress replicas that send groups to this classifier.
        traceparent: of the batch's span; empty where none was made.
    """

    revision: str
    logits: Logits | None
    description: Description | None
    inference_ms: float
    senders: int = 1
    traceparent: str = ""


class Backend(Protocol):
    """A classifier, wherever it runs: in this process or behind a Ray Serve handle."""

    async def describe(self) -> Description:
        """Describe the model; raises ModelUnavailableError."""
        ...

    async def predict(self, group: Group) -> Scored:
        """Score a group; raises a ProblemError that fails the whole group."""
        ...

    async def check(self) -> None:
        """Check the model, past the queue; raises ModelUnavailableError."""
        ...

    def count_classifiers(self) -> int:
        """Count the classifier replicas that run, as far as is known; 0 if none does."""
        ...

    def count_ingresses(self) -> int:
        """Count the ingress replicas that share them, at least one."""
        ...
