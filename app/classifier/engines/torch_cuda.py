"""torch on a GPU: a CUDA graph for each bucket of batch sizes, in two slots.

Each slot has its own stream, pinned memory and graphs, so that the copies of one batch overlap the
arithmetic of the other. Pixels are copied as uint8; the graph scales them.
"""

import logging
import queue
from bisect import bisect_left
from dataclasses import dataclass
from typing import cast

import torch

from app.backend import Logits, Pixels
from app.classifier.engines.engine import EngineInput, EngineName, Precision
from app.classifier.engines.network import Network, load_network, make_example
from app.errors import SettingsError

SLOTS = 2
"""Batches at once: one computes while the other is copied."""

WARM_UPS = 3
"""Runs before a graph is captured: libraries choose their kernels in the first."""

_TOO_SMALL = "The GPU's memory is too small. Lower VITRINE_BATCH_SIZE or VITRINE_BUCKETS."

_logger = logging.getLogger("vitrine.classifier")


def choose_precision(wanted: str) -> Precision:
    """Choose the precision on a GPU; `auto` is fp16, ten times nearer to fp32 than bf16."""
    if wanted == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        message = "VITRINE_PRECISION=bf16, but this GPU lacks it. Set it to fp16 or fp32."
        raise SettingsError(message)
    return "fp16" if wanted == "auto" else cast("Precision", wanted)


class CudaEngine:
    """torch on the first visible GPU.

    Args:
        engine_input: what to load.
        precision: `fp32`, `bf16` or `fp16`.
        buckets: batch sizes to capture; no batch is larger than the largest.
        is_compiled: compile the network before it is captured.

    Raises:
        SettingsError: the GPU's memory is too small.
    """

    device = "cuda:0"
    slots = SLOTS

    def __init__(
        self,
        engine_input: EngineInput,
        precision: Precision,
        buckets: tuple[int, ...],
        *,
        is_compiled: bool,
    ) -> None:
        self.name: EngineName = "compile" if is_compiled else "torch"
        self.precision = precision
        try:
            network = load_network(engine_input, precision, torch.device(self.device))
            slots = _try_compiled(network, engine_input, buckets) if is_compiled else None
            if slots is None:
                self.name = "torch"
                slots = _capture_slots(network, engine_input, buckets, is_compiled=False)
        except torch.OutOfMemoryError as exc:
            raise SettingsError(_TOO_SMALL) from exc
        self._slots = slots

    def run(self, pixels: Pixels) -> Logits:
        """Run pixels to logits in a free slot; waits for one.

        Raises:
            MemoryError: the batch does not fit into the GPU's memory.
        """
        slot = self._slots.get()
        try:
            return slot.run(pixels)
        except torch.OutOfMemoryError as exc:
            raise MemoryError(str(exc)) from exc
        finally:
            self._slots.put(slot)

    def set_threads(self, count: int) -> None:
        """Do nothing: the CPU only copies."""


@dataclass(frozen=True, slots=True)
class Capture:
    """One bucket's graph, and its output on the GPU."""

    graph: torch.cuda.CUDAGraph
    logits: torch.Tensor


class Slot:
    """Memory, a stream and graphs for one batch.

    Args:
        network: on the GPU.
        example: pixels of the largest batch, on the CPU.
        buckets: batch sizes to capture, rising.
    """

    @torch.inference_mode()
    def __init__(self, network: torch.nn.Module, example: torch.Tensor, buckets: list[int]) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._staging = example.pin_memory()
        self._pixels = example.to("cuda:0")
        self._network = network  # graphs know its weights by address, and do not keep them alive
        self._pool = torch.cuda.graph_pool_handle()  # its graphs never run at once
        self._captures = {size: self._capture(size) for size in reversed(buckets)}
        logits = self._captures[buckets[-1]].logits
        self._answer = torch.empty(logits.shape, dtype=logits.dtype, pin_memory=True)
        self._buckets = buckets

    @torch.inference_mode()
    def run(self, pixels: Pixels) -> Logits:
        """Copy in, replay, copy out, wait without the interpreter lock."""
        count = len(pixels)
        capture = self._captures[self._buckets[bisect_left(self._buckets, count)]]
        self._staging[:count].copy_(torch.from_numpy(pixels))
        with torch.cuda.stream(self._stream):
            self._pixels[:count].copy_(self._staging[:count], non_blocking=True)
            capture.graph.replay()
            self._answer[:count].copy_(capture.logits[:count], non_blocking=True)
        self._stream.synchronize()
        return cast("Logits", self._answer[:count].numpy().copy())

    def _capture(self, size: int) -> Capture:
        """Capture the network's graph for the first `size` images.

        Other threads may use the GPU meanwhile: a reload captures beside the model that serves.
        """
        pixels = self._pixels[:size]
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                self._network(pixels)
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            logits = self._network(pixels)
        return Capture(graph, logits)


def _try_compiled(
    network: Network, engine_input: EngineInput, buckets: tuple[int, ...]
) -> "queue.SimpleQueue[Slot] | None":
    """Capture the compiled network; None, with a warning, if it cannot be compiled.

    Raises:
        torch.OutOfMemoryError: the GPU's memory is too small, with or without compilation.
    """
    try:
        return _capture_slots(network, engine_input, buckets, is_compiled=True)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as exc:
        _logger.warning("torch.compile fails, so the model is not compiled: %s", exc)
        return None


def _capture_slots(
    network: Network, engine_input: EngineInput, buckets: tuple[int, ...], *, is_compiled: bool
) -> "queue.SimpleQueue[Slot]":
    """Capture the graphs of all slots."""
    sizes = sorted(set(buckets))
    run: torch.nn.Module = network
    if is_compiled:
        torch._dynamo.reset()  # noqa: SLF001 - what an earlier model compiled counts too
        torch._dynamo.config.recompile_limit = 2 * len(sizes) + 8  # noqa: SLF001 - one a bucket
        run = cast("torch.nn.Module", torch.compile(network, dynamic=False))
    slots: queue.SimpleQueue[Slot] = queue.SimpleQueue()
    for _ in range(SLOTS):
        slots.put(Slot(run, make_example(engine_input, sizes[-1]), sizes))
    return slots
