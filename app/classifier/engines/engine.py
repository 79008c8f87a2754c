"""The Engine protocol: `pixels -> logits`. Which engine runs, `selection.py` decides.

It does not know what the numbers mean.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from app.backend import Geometry, Logits, Pixels
from app.classifier.checkpoint.files import Checkpoint
from app.classifier.checkpoint.processor import Scaling

EngineName = Literal["torch", "compile", "openvino"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]


class Engine(Protocol):
    """Runs a model on one device.

    Attributes:
        name: as VITRINE_ENGINE has it.
        precision: what it computes in.
        device: such as `cpu` or `cuda:0`.
        slots: batches that it can have under way at once, called from so many threads.
    """

    name: EngineName
    precision: Precision
    device: str
    slots: int

    def run(self, pixels: Pixels) -> Logits:
        """Run pixels `[n, height, width, 3]`, as the geometry gives them, to logits `[n, labels]`.

        The logits are float32 and the caller's own.
        """
        ...

    def set_threads(self, count: int) -> None:
        """Use so many CPU threads from here on; without effect on a GPU, and not while it runs."""
        ...


@dataclass(frozen=True, slots=True)
class EngineInput:
    """What an engine is built from.

    Attributes:
        checkpoint: the weights.
        geometry: the shape of the pixels.
        scaling: what is left to do to them.
    """

    checkpoint: Checkpoint
    geometry: Geometry
    scaling: Scaling
