"""Gradient-weighted attention of a ViT's blocks.

Chefer, Gur and Wolf, "Generic Attention-model Explainability", ICCV 2021, equations 5 and 6:
R = I, then R = R + A R for each block, A the mean over heads of relu(gradient * attention). Only
the rows of R that the head reads are computed.

The gradient is that of the logit as a function of the attention weights of all blocks: it passes
through values and MLPs and not through queries and keys. That is a tenth cheaper and as faithful;
docs/explain.md has the measurements.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel

from app.classifier.checkpoint.loader_errors import silence
from app.classifier.explanation.maps import Maps, choose_labels, differentiate

_NAME = "vitrine"

_recorded: ContextVar[list[Tensor]] = ContextVar("attention")


class AttentionMethod:
    """Explains by the attention of the last blocks.

    Args:
        module: a ViT with frozen parameters; its attention function is replaced by an equal one.
        blocks: the name of its list of blocks.
        count: blocks that count, the last ones; None for all.

    Attributes:
        layers: first, last and number of the blocks that count, from 1.
    """

    def __init__(self, module: PreTrainedModel, blocks: str, count: int | None = None) -> None:
        AttentionInterface.register(_NAME, attend)
        with silence():  # CLIP's configuration has a text model, of which it tells
            module.set_attn_implementation(_NAME)
        self._module = module
        found = list(module.get_submodule(blocks).children())
        count = count or len(found)
        self._first, self._last = found[-count], found[-1]
        self.layers = (len(found) - count + 1, len(found), len(found))
        self._patch = next(one for one in module.modules() if isinstance(one, nn.Conv2d)).stride

    def explain(self, inputs: Tensor, label_ids: Tensor) -> Maps:
        """Explain labels `[images, labels]` of scaled pixels `[images, 3, height, width]`."""
        with record_attention() as attention:
            logits, hidden = self._run(inputs)
        label_ids = choose_labels(logits, label_ids)
        weights = [one.detach() for one in attention]
        tokens = []
        for *gradients, read in differentiate(logits, label_ids, [*attention, hidden]):
            tokens.append(_multiply(weights, gradients, weigh_tokens(read)))
        maps = shape_map(torch.stack(tokens, dim=1), inputs.shape, self._patch)
        return Maps(logits.detach(), label_ids, maps)

    def _run(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Run the model to logits and the last block's output, both with gradients.

        The parameters are frozen, so nothing before the first block that counts is kept.
        """
        hidden: list[Tensor] = []

        def start(_block: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return arguments[0].detach().requires_grad_(), *arguments[1:]

        def keep(_block: nn.Module, _arguments: object, output: Tensor) -> None:
            hidden.append(output)

        hooks = (
            self._first.register_forward_pre_hook(start),
            self._last.register_forward_hook(keep),
        )
        try:
            return self._module(pixel_values=inputs).logits, hidden[0]
        finally:
            for hook in hooks:
                hook.remove()


def weigh_tokens(read: Tensor) -> Tensor:
    """Weigh tokens `[images, tokens]` by how strongly the head reads them; the sum is 1.

    Most heads read CLS alone; others read a distillation token too, or the mean of the patches.

    Args:
        read: gradient of the logit by the last hidden state, `[images, tokens, width]`.
    """
    return functional.normalize(read.norm(dim=-1), p=1, dim=-1)


def _multiply(attention: list[Tensor], gradients: list[Tensor], read: Tensor) -> Tensor:
    """Compute the rows of R - I that the head reads, as one `[images, tokens]`."""
    rows = read
    for weights, gradient in zip(attention[::-1], gradients[::-1], strict=True):
        relevant = (weights * gradient).relu().mean(dim=1)
        rows = rows + torch.einsum("nq,nqk->nk", rows, relevant)
    return rows - read


@contextmanager
def record_attention() -> Iterator[list[Tensor]]:
    """Record the weights of each attention that is differentiated in this thread.

    Yields:
        What they are appended to, `[images, heads, tokens, tokens]` each.
    """
    recorded: list[Tensor] = []
    token = _recorded.set(recorded)
    try:
        yield recorded
    finally:
        _recorded.reset(token)


def shape_map(tokens: Tensor, shape: Sequence[int], patch: Sequence[int]) -> Tensor:
    """Shape values of tokens `[..., tokens]` to the grid of patches `[..., rows, columns]`.

    What stands before the patches is left out: CLS, the distillation token, registers.

    Args:
        tokens: the values.
        shape: of the model's input, `[images, 3, height, width]`.
        patch: height and width.
    """
    rows, columns = shape[-2] // patch[0], shape[-1] // patch[1]
    return tokens[..., -rows * columns :].reshape(*tokens.shape[:-1], rows, columns)


def attend(
    _module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **_options: object,
) -> tuple[Tensor, Tensor | None]:
    """Attend; where a gradient is wanted, record the weights as what it is taken by.

    Args:
        query: `[images, heads, tokens, width]`.
        key: the same.
        value: the same.
        attention_mask: added to the products, such as BEiT's relative positions.
        scaling: factor of the products; None for 1 / sqrt(width).
    """
    if not value.requires_grad:
        output = functional.scaled_dot_product_attention(
            query, key, value, attention_mask, scale=scaling
        )
        return output.transpose(1, 2), None
    with torch.no_grad():
        products = (query * (scaling or query.shape[-1] ** -0.5)) @ key.transpose(2, 3)
        if attention_mask is not None:
            products += attention_mask
        weights = products.softmax(dim=-1)
    _recorded.get().append(weights.requires_grad_())
    return (weights @ value).transpose(1, 2), weights
