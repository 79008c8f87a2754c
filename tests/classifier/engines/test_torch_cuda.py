"""What of the GPU's engine can be told without a GPU."""

import queue
from typing import cast

import numpy as np
import pytest
import torch

from app.backend import Logits, Pixels
from app.classifier.engines.torch_cuda import CudaEngine, Slot


class FullPlace:
    """A slot on a GPU that has no memory left."""

    def run(self, pixels: Pixels) -> Logits:
        """Fail as torch does."""
        raise torch.OutOfMemoryError(f"CUDA out of memory for {len(pixels)} images")


def test_a_full_gpu_is_told_as_memory_and_its_place_is_free_again() -> None:
    """`Isolation` knows no torch; it lowers the largest batch at a MemoryError."""
    engine, slots = CudaEngine.__new__(CudaEngine), queue.SimpleQueue[Slot]()
    slots.put(cast("Slot", FullPlace()))
    engine._slots = slots  # noqa: SLF001 - what its constructor makes on a GPU
    for _ in range(2):
        with pytest.raises(MemoryError, match="2 images"):
            engine.run(np.zeros((2, 4, 4, 3), np.uint8))
