"""HiResCAM of a convolutional network's last stage: one forward, and the head backwards.

Draelos and Carin, "Use HiResCAM instead of Grad-CAM", arXiv 2011.08891: the sum over channels of
activation * gradient.
"""

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from app.classifier.explanation.maps import Maps, choose_labels, differentiate


class ActivationMethod:
    """Explains by the activation of the last stage.

    Args:
        module: a convolutional network with frozen parameters.
        stages: the name of its list of stages.

    Attributes:
        layers: first, last and number of the stages that count, from 1.
    """

    def __init__(self, module: PreTrainedModel, stages: str) -> None:
        self._module = module
        *_, self._last = found = list(module.get_submodule(stages).children())
        self.layers = (len(found), len(found), len(found))

    def explain(self, inputs: Tensor, label_ids: Tensor) -> Maps:
        """Explain labels `[images, labels]` of scaled pixels `[images, 3, height, width]`."""
        kept: list[Tensor] = []

        def start(_stage: nn.Module, _arguments: object, output: Tensor) -> Tensor:
            kept.append(output.detach().requires_grad_())
            return kept[0]

        hook = self._last.register_forward_hook(start)
        try:
            logits = self._module(pixel_values=inputs).logits
        finally:
            hook.remove()
        label_ids = choose_labels(logits, label_ids)
        activation = kept[0].detach()
        found = differentiate(logits, label_ids, kept)
        maps = [(activation * gradient).sum(dim=1) for (gradient,) in found]
        return Maps(logits.detach(), label_ids, torch.stack(maps, dim=1))
