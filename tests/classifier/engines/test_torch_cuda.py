"""What can be tested of the GPU's engine without a GPU."""

import queue
from typing import cast

import numpy as np
import pytest
import torch

from app.backend import Logits, Pixels
from app.classifier.bisection import FAILURES
from app.classifier.engines.torch_cuda import CudaEngine, Slot


class FullSlot:
    """A slot on a GPU that has no memory left."""

    def run(self, pixels: Pixels) -> Logits:
        """Fail as torch does."""
        raise torch.OutOfMemoryError(f"CUDA out of memory for {len(pixels)} images")


def test_a_slot_that_fails_is_free_again() -> None:
    """The engine's only slot serves the next batch, and bisection knows the failure's type."""
    engine, slots = CudaEngine.__new__(CudaEngine), queue.SimpleQueue[Slot]()
    slots.put(cast("Slot", FullSlot()))
    engine._slots = slots  # noqa: SLF001 - what its constructor makes on a GPU
    for _ in range(2):
        with pytest.raises(FAILURES, match="2 images"):
            engine.run(np.zeros((2, 4, 4, 3), np.uint8))
