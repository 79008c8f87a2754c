"""HiResCAM, beside activation times gradient of transformers' own hidden state."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageClassification

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.weights import load_weights
from app.classifier.explanation.activation import ActivationMethod
from app.classifier.explanation.support import STAGES, find_support


@pytest.mark.parametrize("model_type", sorted(STAGES))
def test_it_is_activation_times_gradient(
    model_type: str, find_folder: Callable[[str], Path]
) -> None:
    """Summed over the channels of the last stage, for each label."""
    folder = find_folder(model_type)
    inputs = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    module = AutoModelForImageClassification.from_pretrained(folder).eval()
    output = module(pixel_values=inputs, output_hidden_states=True)
    state = output.hidden_states[-1]
    expected = []
    for label in (1, 3):
        (gradient,) = torch.autograd.grad(output.logits[0, label], state, retain_graph=True)
        expected.append((state * gradient).sum(dim=1)[0].detach())
    checkpoint = open_checkpoint(str(folder))
    frozen = load_weights(checkpoint).requires_grad_(requires_grad=False)
    method = ActivationMethod(frozen, find_support(checkpoint).layers)
    found = method.explain(inputs, torch.tensor([[1, 3]]))
    assert found.relevance.shape == (1, 2, 3, 3)
    torch.testing.assert_close(found.relevance[0], torch.stack(expected), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.logits, output.logits.detach(), rtol=1e-5, atol=1e-5)
