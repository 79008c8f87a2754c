"""The Engine protocol: pixels in, logits out. `selection.py` chooses an implementation."""

from dataclasses import dataclass
from typing import Literal, Protocol

from app.backend import Geometry, Logits, Pixels
from app.classifier.checkpoint.files import Checkpoint
from app.classifier.checkpoint.scaling import Scaling

EngineName = Literal["torch", "compile", "openvino"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]

HALF_PRECISIONS = ("bf16", "fp16")


class Engine(Protocol):
    """Runs a model on one device.

    Attributes:
        name: its name in VITRINE_ENGINE.
        precision: of its arithmetic.
        device: such as `cpu` or `cuda:0`.
        slots: batches that may run at once, each called from a thread of its own.
    """

    name: EngineName
    precision: Precision
    device: str
    slots: int

    def run(self, pixels: Pixels) -> Logits:
        """Run pixels `[n, height, width, 3]` to logits `[n, labels]`, float32, in a new array."""
        ...

    def set_threads(self, count: int) -> None:
        """Set the number of CPU threads, while no batch runs; no effect on a GPU."""
        ...


@dataclass(frozen=True, slots=True)
class EngineInput:
    """What an engine is built from: weights, the pixels' shape and their scaling."""

    checkpoint: Checkpoint
    geometry: Geometry
    scaling: Scaling


def list_sizes(batch_size: int) -> tuple[int, ...]:
    """List the powers of two below `batch_size`, then `batch_size`."""
    return (*(1 << power for power in range((batch_size - 1).bit_length())), batch_size)
