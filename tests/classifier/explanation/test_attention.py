"""Gradient-weighted attention, beside the paper's formula on transformers' own attention."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AttentionInterface, AutoModelForImageClassification, PreTrainedModel

from app.classifier.checkpoint.files import BUNDLED, open_checkpoint
from app.classifier.checkpoint.weights import load_weights
from app.classifier.explanation.attention import AttentionMethod
from app.classifier.explanation.support import find_support

LABEL = 2
MEAN_POOLED = {
    "beit": 1,
    "clip": 1,
    "dinov2": 1,
    "dinov2_with_registers": 4,
    "ijepa": 0,
    "metaclip_2": 1,
    "siglip": 0,
}
"""Tokens before the patches, where the head reads their mean; DINOv2's reads CLS too."""


def make_inputs() -> Tensor:
    """Make one scaled image."""
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def load_paper(folder: Path) -> tuple[PreTrainedModel, list[Tensor]]:
    """Load a model with transformers' own attention; the list gets its last block's output."""
    module = AutoModelForImageClassification.from_pretrained(folder, attn_implementation="eager")
    path, states = find_support(open_checkpoint(str(folder))).layers, list[Tensor]()
    last = list(module.get_submodule(path).children())[-1]
    last.register_forward_hook(lambda _block, _inputs, output: states.append(output))
    return module.eval(), states


def follow_paper(folder: Path, inputs: Tensor, label: int, count: int) -> tuple[Tensor, Tensor]:
    """Compute R of the last `count` blocks, and how strongly the head reads each token.

    The model runs again as a function of its attention weights: given, and not computed.
    """
    module, states = load_paper(folder)
    attentions = [
        one.detach().requires_grad_()
        for one in module(pixel_values=inputs, output_attentions=True).attentions
    ]
    given = iter(attentions)

    def attend(
        _module: object, _query: object, _key: object, value: Tensor, *_: object, **__: object
    ) -> tuple[Tensor, None]:
        return (next(given) @ value).transpose(1, 2), None

    AttentionInterface.register("given", attend)
    module.set_attn_implementation("given")
    logit = module(pixel_values=inputs).logits[0, label]
    *gradients, read = torch.autograd.grad(logit, (*attentions, states[-1]))
    relevance = torch.eye(attentions[0].shape[-1])
    for attention, gradient in list(zip(attentions, gradients, strict=True))[-count:]:
        weighted = (attention.detach() * gradient)[0].clamp(min=0).mean(dim=0)
        relevance = relevance + weighted @ relevance
    weights = read[0].norm(dim=-1)
    return relevance, weights / weights.sum()


def explain(folder: Path, inputs: Tensor, label: int, count: int) -> Tensor:
    """Compute a map by the method, as one row."""
    checkpoint = open_checkpoint(str(folder))
    module = load_weights(checkpoint).requires_grad_(requires_grad=False)
    method = AttentionMethod(module, find_support(checkpoint).layers, count)
    return method.explain(inputs, torch.tensor([[label]])).relevance.flatten()


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("model_type", "skipped"), [("vit", 1), ("deit", 2), ("vit_msn", 1)])
def test_it_equals_the_papers_formula(
    model_type: str, skipped: int, count: int, find_folder: Callable[[str], Path]
) -> None:
    """In full depth, and begun at one of the last blocks: R's row of CLS, over the patches."""
    folder, inputs = find_folder(model_type), make_inputs()
    for label in (0, 3):
        relevance, _ = follow_paper(folder, inputs, label, count)
        found = explain(folder, inputs, label, count)
        torch.testing.assert_close(found, relevance[0, skipped:], rtol=1e-4, atol=1e-6)


def test_the_last_block_needs_no_constant_attention(find_folder: Callable[[str], Path]) -> None:
    """Begun at the last block, it is the paper's map, whose gradient knows of no other one."""
    folder, inputs = find_folder("vit"), make_inputs()
    module, _ = load_paper(folder)
    output = module(pixel_values=inputs, output_attentions=True)
    (gradient,) = torch.autograd.grad(output.logits[0, LABEL], output.attentions[-1:])
    expected = (output.attentions[-1] * gradient)[0].clamp(min=0).mean(dim=0)[0, 1:].detach()
    found = explain(folder, inputs, LABEL, 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_distilled_head_is_read_too(deit_with_teacher: Path) -> None:
    """The rows of CLS and of the distillation token count as their heads do; neither is mapped."""
    inputs = make_inputs()
    relevance, read = follow_paper(deit_with_teacher, inputs, LABEL, 2)
    assert (read > 0).tolist() == [True, True] + [False] * 16
    found = explain(deit_with_teacher, inputs, LABEL, 2)
    torch.testing.assert_close(found, read[:2] @ relevance[:2, 2:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("model_type", "skipped"), MEAN_POOLED.items())
def test_a_mean_over_patches_reads_every_row(
    model_type: str, skipped: int, find_folder: Callable[[str], Path]
) -> None:
    """Where the head reads patches, so does the map, less what R began with; registers are out."""
    folder, inputs = find_folder(model_type), make_inputs()
    relevance, read = follow_paper(folder, inputs, LABEL, 2)
    assert (read[skipped:] > 0).all()
    assert len(relevance) == skipped + 16
    expected = read @ (relevance - torch.eye(len(relevance)))[:, skipped:]
    found = explain(folder, inputs, LABEL, 2)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_all_blocks_count_by_default() -> None:
    """The method says which ones count, and of how many."""
    module = load_weights(open_checkpoint(str(BUNDLED)))
    assert AttentionMethod(module, "vit.layers").layers == (1, 4, 4)
    assert AttentionMethod(module, "vit.layers", 3).layers == (2, 4, 4)


def test_only_what_is_needed_is_differentiated(vit: Path) -> None:
    """No parameter gets a gradient, and no block before the first that counts."""
    module = load_weights(open_checkpoint(str(vit))).requires_grad_(requires_grad=False)
    states: list[Tensor] = []
    for block in module.get_submodule("vit.layers").children():
        block.register_forward_hook(lambda _block, _inputs, output: states.append(output))
    method = AttentionMethod(module, "vit.layers", 1)
    method.explain(torch.randn(2, 3, 32, 32), torch.tensor([[1, 2], [0, 1]]))
    assert [state.requires_grad for state in states] == [False, True]
    assert all(parameter.grad is None for parameter in module.parameters())
