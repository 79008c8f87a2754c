"""torch on a CPU: a trace where it is right, the module where it is not."""

from collections.abc import Callable

import pytest
import torch

from app.classifier.checkpoint.scaling import Scaling
from app.classifier.engines.network import Network, Normalizer
from app.classifier.engines.torch_cpu import trace_network

CPU = torch.device("cpu")


class Output:
    """What a model gives."""

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits


class Toy(torch.nn.Module):
    """A model of one line."""

    def __init__(self, compute: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.compute = compute

    def forward(self, pixel_values: torch.Tensor) -> Output:
        """Compute logits."""
        return Output(self.compute(pixel_values) * self.weight)


def average(pixels: torch.Tensor) -> torch.Tensor:
    """Do what a trace gets right."""
    return pixels.mean((2, 3))


def count_in_python(pixels: torch.Tensor) -> torch.Tensor:
    """Depend on the batch's size in a way that a trace freezes."""
    return pixels.mean((2, 3)) + float(len(pixels))


def refuse_a_trace(pixels: torch.Tensor) -> torch.Tensor:
    """Raise while it is traced, alone."""
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call] # it is public
        raise NotImplementedError("not to be traced")
    return pixels.mean((2, 3))


@pytest.mark.parametrize(
    ("compute", "is_traced"), [(average, True), (count_in_python, False), (refuse_a_trace, False)]
)
def test_a_model_that_a_trace_gets_wrong_runs_as_it_is(
    compute: Callable[[torch.Tensor], torch.Tensor], *, is_traced: bool
) -> None:
    """What cannot be traced, or differs on another batch, is run by the module itself."""
    toy: torch.nn.Module = Toy(compute)
    scaling = Scaling(1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    network = Network(toy, Normalizer(scaling, CPU)).eval()
    examples = tuple(torch.randint(0, 256, (n, 8, 8, 3), dtype=torch.uint8) for n in (2, 5))
    run = trace_network(network, (examples[0], examples[1]), 1e-5)
    assert isinstance(run, torch.jit.ScriptModule) is is_traced
    pixels = torch.randint(0, 256, (3, 8, 8, 3), dtype=torch.uint8)
    values = (pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    torch.testing.assert_close(run(pixels), compute(values), rtol=1e-5, atol=1e-5)
