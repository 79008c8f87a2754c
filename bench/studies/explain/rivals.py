"""The methods that are compared: those of the service, published rivals, and two without a model.

A method takes pixels `[n, side, side, 3]` and labels `[n]`, and gives maps `[n, rows, columns]`,
normalised as the service does.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.classifier.explanation.attention import record_attention, shape_map
from app.classifier.explanation.maps import normalize
from app.classifier.explanation.occlusion import measure_drops
from bench.studies.explain.priors import draw_centre, draw_random
from bench.studies.explain.subject import Subject

Maps = NDArray[np.float32]
Method = Callable[[NDArray[np.uint8], NDArray[np.int64]], Maps]
Look = Callable[[Subject, Tensor, Tensor], Tensor]
"""A method inside the model: of inputs and labels to values of tokens `[n, tokens]`."""

DEFAULT = "gradient attention"
CEILING = "generic attention (paper)"
"""The service's method, and the published one, whose gradient passes through queries and keys."""


def build_methods(subject: Subject) -> dict[str, Method]:
    """Return every method for a ViT, by its name in the tables."""
    total = len(subject.blocks)
    half = total // 2
    methods: dict[str, Method] = {
        DEFAULT: partial(weigh_attention, subject, count=total),
        f"the same, last {total - 1} blocks": partial(weigh_attention, subject, count=total - 1),
        f"the same, last {half} blocks": partial(weigh_attention, subject, count=half),
    }
    looks: dict[str, Look] = {
        CEILING: follow_paper,
        "LeGrad": partial(weigh_gradients, count=total),
        "contribution": sum_contributions,
        "rollout": roll_out,
        "Grad-CAM": weigh_activation,
    }
    methods |= {name: partial(_look, subject, look) for name, look in looks.items()}
    methods["occlusion 7x7"] = partial(cover_parts, subject)
    methods["centre"] = partial(draw_centre, subject)
    methods["random"] = partial(draw_random, subject)
    return methods


def weigh_attention(
    subject: Subject, pixels: NDArray[np.uint8], labels: NDArray[np.int64], count: int
) -> Maps:
    """Explain as the service, by the last `count` blocks."""
    label_ids = torch.from_numpy(labels[:, None])
    found = subject.attention(count).explain(subject.scale(pixels), label_ids)
    return normalize(found.relevance[:, 0].numpy())


def cover_parts(subject: Subject, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> Maps:
    """Explain as the service, by occlusion; its grid is brought to that of the patches."""
    found = []
    for picture, label in zip(pixels, labels, strict=True):
        _, drops = measure_drops(subject.run, picture)
        grid = torch.from_numpy(drops[None, [label]].astype(np.float32))
        side = picture.shape[0] // subject.patch
        found.append(torch.nn.functional.interpolate(grid, (side, side), mode="bilinear")[0, 0])
    return normalize(torch.stack(found).numpy())


def _look(
    subject: Subject, look: Look, pixels: NDArray[np.uint8], labels: NDArray[np.int64]
) -> Maps:
    """Run a method inside the model."""
    inputs = subject.scale(pixels).requires_grad_()
    tokens = look(subject, inputs, torch.from_numpy(labels))
    patch = (subject.patch, subject.patch)
    return normalize(shape_map(tokens.detach(), inputs.shape, patch).numpy())


def follow_paper(subject: Subject, inputs: Tensor, labels: Tensor) -> Tensor:
    """Explain by Chefer et al., ICCV 2021, in full depth, with transformers' own attention."""
    subject.module.set_attn_implementation("eager")
    try:
        output = subject.module(pixel_values=inputs, output_attentions=True)
    finally:
        subject.restore()
    gradients = torch.autograd.grad(pick(output.logits, labels), output.attentions)
    relevance = torch.eye(gradients[0].shape[-1])
    for weights, gradient in zip(output.attentions, gradients, strict=True):
        relevance = relevance + (weights.detach() * gradient).relu().mean(dim=1) @ relevance
    return relevance[:, 0]


def weigh_gradients(subject: Subject, inputs: Tensor, labels: Tensor, count: int) -> Tensor:
    """Explain by LeGrad (Bousselham et al., ICCV 2025), over the last `count` blocks.

    Each block has a prediction of its own: the head, run on the hidden state behind it. Its
    gradient by the block's attention, where positive, is averaged over heads and tokens.
    """
    states: list[Tensor] = []

    def cut(_block: object, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return arguments[0].detach().requires_grad_(), *arguments[1:]

    def keep(_block: object, _arguments: object, output: Tensor) -> Tensor | None:
        states.append(output)
        return torch.cat(states[-count:]) if len(states) == len(subject.blocks) else None

    hooks = [block.register_forward_pre_hook(cut) for block in subject.blocks]
    hooks += [block.register_forward_hook(keep) for block in subject.blocks]
    try:
        with record_attention() as attention:
            logits = subject.module(pixel_values=inputs).logits
    finally:
        for hook in hooks:
            hook.remove()
    gradients = torch.autograd.grad(pick(logits, labels.repeat(count)), attention[-count:])
    return torch.stack([one.relu().mean(dim=(1, 2)) for one in gradients]).mean(dim=0)


def sum_contributions(subject: Subject, inputs: Tensor, labels: Tensor) -> Tensor:
    """Sum over blocks what each token's value adds to the logit, straight through the residuals.

    The direction of the label is the logit's gradient by the last hidden state of CLS.
    """
    values: list[Tensor] = []
    last: list[Tensor] = []

    def keep(_layer: object, _arguments: object, output: Tensor) -> None:
        values.append(output)

    def keep_last(_block: object, _arguments: object, output: Tensor) -> None:
        last.append(output)

    hooks = [block.attention.v_proj.register_forward_hook(keep) for block in subject.blocks]
    hooks.append(subject.blocks[-1].register_forward_hook(keep_last))
    try:
        with record_attention() as attention:
            logits = subject.module(pixel_values=inputs).logits
    finally:
        for hook in hooks:
            hook.remove()
    direction = torch.autograd.grad(pick(logits, labels), last)[0][:, 0]
    total = torch.zeros(values[0].shape[:2])
    for block, weights, value in zip(subject.blocks, attention, values, strict=True):
        heads = weights.shape[1]
        pulled = (direction @ block.attention.o_proj.weight).reshape(len(value), heads, -1)
        split = value.reshape(*value.shape[:2], heads, -1)
        along = torch.einsum("nthd,nhd->nht", split, pulled)
        total = total + (weights[:, :, 0] * along).sum(dim=1)
    return total


def roll_out(subject: Subject, inputs: Tensor, _labels: Tensor) -> Tensor:
    """Multiply (I + A) / 2 of all blocks (Abnar and Zuidema, ACL 2020); it knows no label."""
    with record_attention() as attention:
        subject.module(pixel_values=inputs)
    rows = torch.eye(attention[0].shape[-1])[None, 0].expand(len(inputs), -1)
    for weights in attention[::-1]:
        rows = (rows + torch.einsum("nq,nqk->nk", rows, weights.mean(dim=1))) / 2
    return rows


def weigh_activation(subject: Subject, inputs: Tensor, labels: Tensor) -> Tensor:
    """Explain by Grad-CAM (Selvaraju et al., ICCV 2017) at the first norm of the last block."""
    kept: list[Tensor] = []

    def keep(_norm: object, _arguments: object, output: Tensor) -> None:
        kept.append(output)

    hook = subject.blocks[-1].layernorm_before.register_forward_hook(keep)
    subject.module.set_attn_implementation("eager")  # its gradient passes through queries and keys
    try:
        logits = subject.module(pixel_values=inputs).logits
    finally:
        hook.remove()
        subject.restore()
    (gradient,) = torch.autograd.grad(pick(logits, labels), kept)
    return torch.einsum("ntd,nd->nt", kept[0], gradient[:, 1:].mean(dim=1))


def pick(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the sum of each row's label."""
    return logits.gather(1, labels[:, None]).sum()
