"""torch on a CPU: a traced graph if its logits are equal, or a compiled one, else the module.

Half the time of calling a small ViT is Python; a traced graph runs without Python, and so without
the interpreter lock that the replica's event loop needs.
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
"""Maximum difference of a graph's logits from the module's, relative and absolute."""

TRACE_BATCH, CHECK_BATCH = 2, 5
"""Images in the batch that is traced, and in the one that the graph is checked on."""

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
        examples = (
            make_example(engine_input, TRACE_BATCH),
            make_example(engine_input, CHECK_BATCH),
        )
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
        """Set the number of threads of one operation."""
        torch.set_num_threads(count)


def compile_network(network: Network) -> Run:
    """Compile for any batch size, with frozen weights; raises SettingsError."""
    if shutil.which("c++") is None and shutil.which("g++") is None:
        message = (
            "VITRINE_ENGINE=compile needs a C++ compiler (on Debian: apt-get install g++). "
            "Install one, or set VITRINE_ENGINE=auto."
        )
        raise SettingsError(message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about torch's own imports
        return torch.compile(network, dynamic=True, options={"freezing": True})


def trace_network(
    network: Network, examples: tuple[torch.Tensor, torch.Tensor], tolerance: float
) -> Run:
    """Trace a network; returns the graph if its logits are equal on a second batch, else itself."""
    try:
        traced = _trace(network, examples[0])
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as exc:
        _logger.debug("this model cannot be traced, which would be faster: %s", exc)
        return network
    return traced if _give_the_same(network, traced, examples[1], tolerance) else network


@torch.inference_mode()
def _trace(network: Network, example: torch.Tensor) -> Run:
    """Trace the operations on one batch and freeze the weights."""
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that shapes become constants: they are constant here
        traced = torch.jit.trace(network, example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
        return torch.jit.freeze(traced)  # type: ignore[no-any-return]


@torch.inference_mode()
def _give_the_same(network: Run, traced: Run, example: torch.Tensor, tolerance: float) -> bool:
    """Compare the logits on a batch of another size, which shows a batch size that was frozen."""
    try:
        return torch.allclose(network(example), traced(example), rtol=tolerance, atol=tolerance)
    except RuntimeError:
        return False
