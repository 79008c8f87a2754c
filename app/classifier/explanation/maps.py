"""What a method gives for a batch of images, and how maps are normalised."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Maps:
    """What a method found for a batch.

    Attributes:
        logits: `[images, labels of the model]`, float32.
        label_ids: `[images, labels]`, those that were explained.
        relevance: `[images, labels, rows, columns]`, as the method computes it.
    """

    logits: Tensor
    label_ids: Tensor
    relevance: Tensor


def choose_labels(logits: Tensor, label_ids: Tensor) -> Tensor:
    """Choose the labels `[images, labels]` to explain; if none are given, each image's best one."""
    return label_ids if label_ids.shape[1] else logits.argmax(dim=-1, keepdim=True)


def differentiate(logits: Tensor, label_ids: Tensor, inputs: list[Tensor]) -> list[list[Tensor]]:
    """Differentiate the logit of each label by `inputs`, for all images at once.

    Images do not depend on each other, so the gradient of the sum holds that of each.

    Returns:
        For each label, gradients in the shapes of the inputs.
    """
    picked = logits.gather(1, label_ids).sum(dim=0)
    last = len(picked) - 1
    return [
        list(torch.autograd.grad(logit, inputs, retain_graph=number < last))
        for number, logit in enumerate(picked)
    ]


def normalize(relevance: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut maps `[..., rows, columns]` at 0 and scale the largest value of each to 1.

    A map without a positive value is all 0; what is not finite counts as 0.
    """
    positive = np.nan_to_num(relevance, nan=0, posinf=0, neginf=0).clip(min=0)
    largest = positive.max(axis=(-2, -1), keepdims=True)
    scaled: NDArray[np.float32] = np.divide(
        positive, largest, out=np.zeros_like(positive), where=largest > 0
    )
    return scaled
