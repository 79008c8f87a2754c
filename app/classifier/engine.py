"""What runs the model: on a CPU a traced graph where it gives the same, else the module itself.

Calling a small ViT costs as much Python as arithmetic; a traced graph runs without Python and so
without the lock that the replica's event loop needs. It does not know what the numbers mean.
"""

import logging
import warnings
from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from app.classifier.guard import silence

Engine = Callable[[torch.Tensor], torch.Tensor]
"""Float32 `[n, 3, height, width]` to logits `[n, labels]`."""

TOLERANCE = 1e-5
"""Largest difference from the module's own logits, relative and absolute."""

_TRACED, _TRIED = 2, 5
"""Images in the batch that is traced, and in the one that the result is tried on."""

_logger = logging.getLogger("vitrine.classifier")


def build_engine(module: PreTrainedModel, size: tuple[int, int]) -> Engine:
    """Build what runs `module` on images of `(height, width)`, on the module's device."""
    eager = _Logits(module).eval()
    if next(module.parameters()).device.type != "cpu":
        return eager
    try:
        traced = _trace(eager, size)
    except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError) as exc:
        _logger.debug("this model is not traced, which would be faster: %s", exc)
        return eager
    return traced if _give_the_same(eager, traced, size) else eager


class _Logits(torch.nn.Module):
    """The model as a function of one tensor."""

    def __init__(self, module: PreTrainedModel) -> None:
        super().__init__()
        self.module = module

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run pixels to logits."""
        logits: torch.Tensor = self.module(pixel_values=pixels).logits
        return logits


@torch.inference_mode()
def _trace(eager: _Logits, size: tuple[int, int]) -> Engine:
    """Record the operations on one batch and freeze the weights into them."""
    with silence(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes that are constants: ours are
        example = torch.rand(_TRACED, 3, *size)
        traced = torch.jit.trace(eager, example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
        return torch.jit.freeze(traced)  # type: ignore[no-any-return]


@torch.inference_mode()
def _give_the_same(eager: Engine, traced: Engine, size: tuple[int, int]) -> bool:
    """Compare both on another batch, of another size; a shape that was recorded shows here."""
    pixels = torch.randn(_TRIED, 3, *size)
    try:
        return torch.allclose(eager(pixels), traced(pixels), rtol=TOLERANCE, atol=TOLERANCE)
    except RuntimeError:
        return False
