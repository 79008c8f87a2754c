"""How training images are varied."""

import pytest
import torch

from app.training.augmentation import build_augmentation
from app.training.options import Augment


@pytest.mark.parametrize("name", ["standard", "light", "none"])
def test_pixels_keep_their_shape_and_range(name: Augment) -> None:
    """Whatever is drawn, the network gets pixels of 0 to 255 of its size, all finite."""
    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (37, 24, 32, 3), dtype=torch.uint8)
    augment = build_augmentation(name, (24, 32))
    for _ in range(20):
        varied = augment(pixels)
        assert varied.shape == pixels.shape
        assert varied.dtype == torch.float32
        assert 0 <= float(varied.min()) <= float(varied.max()) <= 255


def test_none_changes_nothing() -> None:
    """Without augmentation every pixel stays as it was read."""
    pixels = torch.randint(0, 256, (3, 8, 8, 3), dtype=torch.uint8)
    assert torch.equal(build_augmentation("none", (8, 8))(pixels), pixels.float())


@pytest.mark.parametrize("name", ["standard", "light"])
def test_the_same_seed_varies_alike_and_another_does_not(name: Augment) -> None:
    """Augmentation follows torch's seed, as the rest of a run does."""
    pixels = torch.randint(0, 256, (16, 32, 32, 3), dtype=torch.uint8)
    augment = build_augmentation(name, (32, 32))
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augment(pixels))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_light_mirrors_nothing() -> None:
    """A picture that is light at the right stays light at the right."""
    pixels = torch.zeros(64, 32, 32, 3, dtype=torch.uint8)
    pixels[:, 8:24, 18:26] = 255
    varied = build_augmentation("light", (32, 32))(pixels)
    left, right = (part.mean((1, 2, 3)) for part in varied.chunk(2, dim=2))
    assert bool((right > left).all())
