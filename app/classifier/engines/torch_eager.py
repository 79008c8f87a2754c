"""The fallback of half precision: the network in fp32, without a graph."""

from typing import cast

import torch

from app.backend import Logits, Pixels
from app.classifier.engines.engine import EngineInput, EngineName, Precision
from app.classifier.engines.network import load_network


class EagerEngine:
    """torch without a graph.

    Args:
        engine_input: what to load.
        device: such as `cpu` or `cuda:0`.
    """

    name: EngineName = "torch"
    precision: Precision = "fp32"
    slots = 1

    def __init__(self, engine_input: EngineInput, device: str) -> None:
        self.device = device
        self._network = load_network(engine_input, "fp32", torch.device(device))

    @torch.inference_mode()
    def run(self, pixels: Pixels) -> Logits:
        """Run pixels to logits."""
        return cast("Logits", self._network(torch.from_numpy(pixels)).cpu().numpy())

    def set_threads(self, count: int) -> None:
        """Set the number of threads of one operation."""
        torch.set_num_threads(count)
