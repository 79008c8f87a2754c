"""How training images are varied, by kornia, on the device that trains.

`standard` is the recipe of photographs: a random part of the image, mirrored at times, then one
operation of TrivialAugment (Müller and Hutter, 2021). `light` moves, turns and scales a little and
mirrors nothing: for digits, letters and signs, whose mirror image has another label.
"""

from collections.abc import Callable
from functools import partial

import torch

from app.training.options import Augment

CHUNK = 8
"""Images that share one operation: kornia draws one for all images that it is given."""

_MIN_AREA = 0.5
"""Of the image, that a random part has at least."""

_POLICY: list[list[tuple[str, float, float | None]]] = [
    [("auto_contrast", 0.0, 1.0)],
    [("equalize", 0.0, 1.0)],
    [("rotate", -30.0, 30.0)],
    [("posterize", 2.0, 8.0)],
    [("solarize", 0.3, 1.0)],
    [("contrast", 0.3, 1.7)],
    [("brightness", 0.3, 1.7)],
    [("sharpness", 0.1, 1.9)],
    [("shear_x", -0.1, 0.1)],  # kornia's unit is 180 degrees
    [("shear_y", -0.1, 0.1)],
    [("translate_x", -0.3, 0.3)],
    [("translate_y", -0.3, 0.3)],
]

Augmentation = Callable[[torch.Tensor], torch.Tensor]
"""Varies pixels `[n, height, width, 3]` of 0 to 255; gives float32 of the same shape."""


def build_augmentation(name: Augment, size: tuple[int, int]) -> Augmentation:
    """Build an augmentation for pixels of `(height, width)`."""
    if name == "none":
        return torch.Tensor.float
    steps = _build_light() if name == "light" else _build_standard(size)
    return partial(_apply, steps)


def _build_light() -> Callable[[torch.Tensor], torch.Tensor]:
    """Build small moves."""
    from kornia.augmentation import RandomAffine, RandomGaussianNoise  # noqa: PLC0415
    from torch.nn import Sequential  # noqa: PLC0415

    move = RandomAffine(degrees=9.0, translate=(0.06, 0.06), scale=(0.75, 1.15, 0.75, 1.15), p=1.0)
    return Sequential(move, RandomGaussianNoise(std=0.015, p=1.0))


def _build_standard(size: tuple[int, int]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Build the recipe of photographs."""
    from kornia.augmentation import RandomHorizontalFlip, RandomResizedCrop  # noqa: PLC0415
    from kornia.augmentation.auto import TrivialAugment  # noqa: PLC0415
    from torch.nn import Sequential  # noqa: PLC0415

    frame = Sequential(RandomResizedCrop(size, scale=(_MIN_AREA, 1.0)), RandomHorizontalFlip())
    vary = TrivialAugment(policy=_POLICY)

    def apply(images: torch.Tensor) -> torch.Tensor:
        return torch.cat([vary(part) for part in frame(images).split(CHUNK)])

    return apply


def _apply(steps: Callable[[torch.Tensor], torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    """Apply steps that take `[n, 3, height, width]` of 0 to 1."""
    with torch.no_grad():
        images = pixels.permute(0, 3, 1, 2).float().div(255)
        return steps(images).clamp(0, 1).mul(255).permute(0, 2, 3, 1)
