"""What runs the model."""

from collections.abc import Callable

import pytest
import torch
from transformers import AutoModelForImageClassification, PreTrainedModel

from app.classifier.checkpoint import BUNDLED
from app.classifier.engine import build_engine


@pytest.fixture(scope="module")
def module() -> PreTrainedModel:
    """The bundled model, as transformers loads it."""
    return AutoModelForImageClassification.from_pretrained(BUNDLED).eval()


def test_a_model_is_traced_and_gives_the_same_at_every_batch_size(module: PreTrainedModel) -> None:
    """On a CPU a traced graph runs, whatever the batch, within 1e-5 of the module."""
    engine = build_engine(module, (32, 32))
    assert isinstance(engine, torch.jit.ScriptModule)
    with torch.inference_mode():
        for size in (1, 2, 7, 32):
            pixels = torch.randn(size, 3, 32, 32)
            torch.testing.assert_close(
                engine(pixels), module(pixel_values=pixels).logits, rtol=1e-5, atol=1e-5
            )


class Output:
    """What a model gives."""

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits


class Odd(torch.nn.Module):
    """A model that a trace gets wrong or cannot take."""

    def __init__(self, compute: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.compute = compute

    def forward(self, pixel_values: torch.Tensor) -> Output:
        """Compute logits in an odd way."""
        return Output(self.compute(pixel_values) * self.weight)


def count_in_python(pixels: torch.Tensor) -> torch.Tensor:
    """Depend on the batch's size in a way that a trace freezes."""
    return pixels.mean((2, 3)) + float(len(pixels))


def refuse_a_trace(pixels: torch.Tensor) -> torch.Tensor:
    """Raise while it is traced, alone."""
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call] # it is public
        raise NotImplementedError("not to be traced")
    return pixels.mean((2, 3))


@pytest.mark.parametrize("compute", [count_in_python, refuse_a_trace])
def test_a_model_that_a_trace_gets_wrong_runs_as_it_is(
    compute: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    """What cannot be traced, or differs on another batch, is run by the module itself."""
    odd = Odd(compute)
    engine = build_engine(odd, (8, 8))
    assert not isinstance(engine, torch.jit.ScriptModule)
    pixels = torch.rand(3, 3, 8, 8)
    torch.testing.assert_close(engine(pixels), compute(pixels))
