"""A network that learns, a step and an epoch at a time. It knows no Ray and no files."""

import contextlib
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import get_cosine_schedule_with_warmup

from app.training.augmentation import Augmentation
from app.training.backbone import rest_frozen
from app.training.recipe import MAX_GRADIENT, WEIGHT_DECAY, Recipe

Batch = tuple[Tensor, Tensor]
"""Pixels `[n, height, width, 3]` uint8, and label ids `[n]` int64."""


class Sums(NamedTuple):
    """Sums over images, which workers add up.

    Attributes:
        loss: in nats.
        right: images whose label is the best one.
        images: number of images.
    """

    loss: float
    right: float
    images: float


class Learner:
    """Trains a network.

    Args:
        network: from pixels to logits; may be wrapped for several workers.
        augment: varies training pixels, on the device.
        recipe: numbers.
        device: of the network.
    """

    def __init__(
        self, network: nn.Module, augment: Augmentation, recipe: Recipe, device: torch.device
    ) -> None:
        self.network = network
        self._augment = augment
        self._recipe = recipe
        self._device = device
        self._optimizer = torch.optim.AdamW(_group(network), recipe.options.peak_rate)
        self._schedule = get_cosine_schedule_with_warmup(
            self._optimizer, recipe.warm_up_steps, recipe.steps
        )
        weights = None if recipe.weights is None else torch.tensor(recipe.weights, device=device)
        # Summed: a mean would be over the weights of one part of a step, and undo them there.
        self._loss = nn.CrossEntropyLoss(
            weights, reduction="sum", label_smoothing=recipe.options.smoothing
        )

    @property
    def unwrapped_network(self) -> nn.Module:
        """The network to judge and to keep, without what shares it between workers."""
        return _unwrap(self.network)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._schedule.get_last_lr()[0])

    def run_epoch(self, batches: Iterable[Batch]) -> Sums:
        """Train on batches once; the loss is not finite where training has failed."""
        self.network.train()
        rest_frozen(self.network)
        loss = images = 0.0
        for pixels, labels in batches:
            loss += self._step(pixels.to(self._device), labels.to(self._device)) * len(labels)
            images += len(labels)
            if not (math.isfinite(loss) or self._is_shared):
                break  # several workers must take the same steps: each waits for the others'
        return Sums(loss, 0.0, images)

    @torch.inference_mode()
    def evaluate(self, batches: Iterable[Batch]) -> Sums:
        """Score batches without training on them."""
        network = self.unwrapped_network.eval()
        total = torch.zeros(3, device=self._device, dtype=torch.float64)
        for pixels, labels in batches:
            named = labels.to(self._device)
            with self._mixed():
                logits = network(pixels.to(self._device))
            loss = functional.cross_entropy(logits, named, reduction="sum").double()
            right = (logits.argmax(-1) == named).sum().double()
            total += torch.stack([loss, right, torch.full_like(loss, len(labels))])
        return Sums(*total.tolist())

    def save(self) -> dict[str, Any]:
        """Give what `load` needs to go on: tensors and numbers only."""
        return {
            "network": _unwrap(self.network).state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from where `save` was called."""
        _unwrap(self.network).load_state_dict(state["network"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])

    def _step(self, pixels: Tensor, labels: Tensor) -> float:
        """Train on one batch, in parts; gives its mean loss."""
        count = min(self._recipe.options.accumulate, len(labels))
        parts = list(zip(pixels.chunk(count), labels.chunk(count), strict=True))
        total = 0.0
        for index, (part, named) in enumerate(parts):
            varied = self._augment(part)  # in float32: bfloat16 would move pixels
            with self._keep_local(is_last=index == len(parts) - 1):
                with self._mixed():
                    loss = self._loss(self.network(varied), named) / len(labels)
                torch.autograd.backward(loss)
            total += float(loss.detach())
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()
        return total

    @property
    def _is_shared(self) -> bool:
        """Whether other workers train the same network."""
        return isinstance(self.network, nn.parallel.DistributedDataParallel)

    def _keep_local(self, *, is_last: bool) -> contextlib.AbstractContextManager[None]:
        """Keep gradients on this worker until the last part of a step."""
        if isinstance(self.network, nn.parallel.DistributedDataParallel) and not is_last:
            return self.network.no_sync()
        return contextlib.nullcontext()

    def _mixed(self) -> torch.autocast:
        """Compute in bfloat16 on a GPU; a CPU computes in float32."""
        return torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"
        )


def _group(network: nn.Module) -> list[dict[str, Any]]:
    """Group parameters: biases and norms are not made smaller by weight decay."""
    learning = [one for one in network.parameters() if one.requires_grad]
    return [
        {"params": [one for one in learning if one.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [one for one in learning if one.ndim <= 1], "weight_decay": 0.0},
    ]


def _unwrap(network: nn.Module) -> nn.Module:
    """Find the network itself within what shares it between workers."""
    if isinstance(network, nn.parallel.DistributedDataParallel):
        return network.module  # type: ignore[no-any-return]
    return network
