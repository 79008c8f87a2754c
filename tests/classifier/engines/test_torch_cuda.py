"""What can be tested of the GPU's engine without a GPU."""

import queue
from typing import Literal, cast

import numpy as np
import pytest
import torch

from app.backend import Logits, Pixels
from app.classifier.bisection import FAILURES
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines import selection, torch_cuda
from app.classifier.engines.engine import EngineName
from app.classifier.engines.selection import EngineOptions, build_engine
from app.classifier.engines.torch_cuda import CudaEngine, Slot
from app.errors import SettingsError


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


@pytest.fixture
def _gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that has bf16, as far as the choice of an engine asks; weights stay on the CPU."""
    monkeypatch.setattr(selection, "has_gpu", lambda _device: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    monkeypatch.setattr(CudaEngine, "device", "cpu")


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize("engine", ["auto", "torch", "compile"])
def test_only_compile_compiles(
    engine: EngineName | Literal["auto"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`auto` is torch in fp16."""
    monkeypatch.setattr(
        torch_cuda, "_capture_slots", lambda *_, is_compiled: ("compiled", is_compiled)
    )
    built, _ = build_engine(open_checkpoint("bundled"), EngineOptions("cuda", engine))
    assert built.name == ("compile" if engine == "compile" else "torch")
    assert built.precision == "fp16"


@pytest.mark.usefixtures("_gpu")
@pytest.mark.parametrize("engine", ["torch", "compile"])
def test_too_little_memory_is_said(engine: EngineName, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that names the settings, whether the engine compiles or not."""

    def capture(*_: object, is_compiled: bool) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory", is_compiled)

    monkeypatch.setattr(torch_cuda, "_capture_slots", capture)
    with pytest.raises(SettingsError, match=r"memory is too small\. Lower VITRINE_BATCH_SIZE"):
        build_engine(open_checkpoint("bundled"), EngineOptions("cuda", engine))
