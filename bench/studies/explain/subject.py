"""A ViT under study: its module, with frozen parameters, and how pixels become its inputs."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.processor import load_processor
from app.classifier.checkpoint.weights import load_weights
from app.classifier.engines.network import Normalizer
from app.classifier.explanation.attention import AttentionMethod
from app.classifier.explanation.support import find_support

DEVICE = torch.device("cpu")
BATCH = 128
"""Pictures in one forward."""


class Subject:
    """A ViT checkpoint.

    Args:
        model: as VITRINE_MODEL.

    Attributes:
        module: with the service's own attention.
        blocks: of the module.
        head: its last layer.
        patch: pixels of a patch's edge.
    """

    def __init__(self, model: str | Path) -> None:
        checkpoint = open_checkpoint(str(model))
        self.module = load_weights(checkpoint).requires_grad_(requires_grad=False)
        self._path = find_support(checkpoint).layers
        self.blocks = list(self.module.get_submodule(self._path).children())
        self.head: nn.Linear = self.module.classifier
        self.patch: int = self.module.config.patch_size
        _, scaling = load_processor(checkpoint.processor_folder)
        self._normalize = Normalizer(scaling, DEVICE)
        self.attention = cache(self.restore)
        self.restore()

    def scale(self, pixels: NDArray[np.generic]) -> Tensor:
        """Scale pixels `[n, side, side, 3]`, uint8 or float, to inputs `[n, 3, side, side]`."""
        return self._normalize(torch.from_numpy(pixels))

    @torch.inference_mode()
    def run(self, pixels: NDArray[np.generic]) -> NDArray[np.float32]:
        """Run pixels `[n, side, side, 3]` to logits `[n, labels]`."""
        parts = np.split(pixels, range(BATCH, len(pixels), BATCH))
        logits = [self.module(pixel_values=self.scale(part)).logits for part in parts]
        found: NDArray[np.float32] = torch.cat(logits).numpy()
        return found

    def score(self, pixels: NDArray[np.generic], labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the probability `[n]` of each picture's label."""
        logits = self.run(pixels)
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores: NDArray[np.float32] = exponents / exponents.sum(axis=1, keepdims=True)
        return scores[np.arange(len(labels)), labels]

    def restore(self, count: int = 1) -> AttentionMethod:
        """Give the module the service's attention; return its method over the last blocks."""
        return AttentionMethod(self.module, self._path, count)
