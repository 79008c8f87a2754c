"""torch on a CPU: a traced graph where it gives the same, or a compiled one, else the module.

Calling a small ViT costs as much Python as arithmetic; a traced graph runs without Python and so
without the lock that the replica's event loop needs.
"""

import logging
import shutil
import warnings
from collections.abc import Callable
from typing import cast

import torch

from app.backend import Logits, Pixels
from app.classifier.checkpoint.loader_errors import silence
from app.classifier.engines.engine import EngineInput, EngineName, Precision
from app.classifier.engines.network import Network, load_network, make_example
from app.errors import SettingsError

TOLERANCE = {"fp32": 1e-5, "bf16": 1e-2}
"""Largest difference of a graph from the module's own logits, relative and absolute."""

_TRACED, _TRIED = 2, 5
"""Images in the batch that is traced, and in the one that the result is tried on."""

Run = Callable[[torch.Tensor], torch.Tensor]

_logger = logging.getLogger("vitrine.classifier")


class CpuEngine:
    """torch on a CPU, in fp32 or bf16.

    Args:
        engine_input: what to load.
        precision: `fp32` or `bf16`.
        is_compiled: use torch.compile, which needs a C++ compiler and tens of seconds at start.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        SettingsError: there is no compiler.
    """

    device = "cpu"
    slots = 1

    def __init__(
        self, engine_input: EngineInput, precision: Precision, *, is_compiled: bool = False
    ) -> None:
        self.name: EngineName = "compile" if is_compiled else "torch"
        self.precision = precision
        network = load_network(engine_input, precision, torch.device("cpu"))
        examples = (make_example(engine_input, _TRACED), make_example(engine_input, _TRIED))
        self._run = (
            compile_network(network)
            if is_compiled
            else trace_network(network, examples, TOLERANCE[precision])
        )

    @torch.inference_mode()
    def run(self, pixels: Pixels) -> Logits:
        """Run pixels to logits."""
        return cast("Logits", self._run(torch.from_numpy(pixels)).numpy())

    def set_threads(self, count: int) -> None:
        """Use so many threads inside an operation."""
        torch.set_num_threads(count)


def compile_network(network: Network) -> Run:
    """Compile, for any batch size, with the weights frozen in; raises SettingsError."""
    if shutil.which("c++") is None and shutil.which("g++") is None:
        message = (
            "VITRINE_ENGINE=compile needs a C++ compiler (on Debian: apt-get install g++). "
            "Install one, or set VITRINE_ENGINE=auto."
        )
        raise SettingsError(message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of what it imports
        return torch.compile(network, dynamic=True, options={"freezing": True})


def trace_network(
    network: Network, examples: tuple[torch.Tensor, torch.Tensor], tolerance: float
) -> Run:
    """Trace, and take the graph where it gives what the network gives, on another batch too."""
    try:
        traced = _trace(network, examples[0])
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as exc:
        _logger.debug("this model is not traced, which would be faster: %s", exc)
        return network
    return traced if _give_the_same(network, traced, examples[1], tolerance) else network


@torch.inference_mode()
def _trace(network: Network, example: torch.Tensor) -> Run:
    """Record the operations on one batch and freeze the weights into them."""
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes that are constants: ours are
        traced = torch.jit.trace(network, example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
        return torch.jit.freeze(traced)  # type: ignore[no-any-return]


@torch.inference_mode()
def _give_the_same(network: Run, traced: Run, example: torch.Tensor, tolerance: float) -> bool:
    """Compare both on another batch, of another size; a shape that was recorded shows here."""
    try:
        return torch.allclose(network(example), traced(example), rtol=tolerance, atol=tolerance)
    except RuntimeError:
        return False
