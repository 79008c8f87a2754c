"""A checkpoint as one torch module from pixels to logits.

Scaling is part of the module, so every graph that is traced or captured from it includes it.
"""

import torch
from transformers import PreTrainedModel

from app.classifier.checkpoint.scaling import Scaling
from app.classifier.checkpoint.weights import load_weights
from app.classifier.engines.engine import EngineInput, Precision

DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}


def load_network(
    engine_input: EngineInput, precision: Precision, device: torch.device
) -> "Network":
    """Load a checkpoint's weights into a network; raises CheckpointError."""
    torch.backends.cudnn.allow_tf32 = False  # else fp32 convolutions on a GPU have 10 bits
    module = load_weights(engine_input.checkpoint).to(device, DTYPES[precision])
    return Network(module, Normalizer(engine_input.scaling, device)).eval()


def make_example(engine_input: EngineInput, size: int) -> torch.Tensor:
    """Make a batch `[size, height, width, 3]` of random pixels."""
    shape = (size, *engine_input.geometry.shape)
    if engine_input.geometry.fallback is not None:
        return torch.randn(shape)
    return torch.randint(0, 256, shape, dtype=torch.uint8)


class Network(torch.nn.Module):
    """The model as a function of one tensor."""

    def __init__(self, module: PreTrainedModel, normalize: "Normalizer") -> None:
        super().__init__()
        self.module = module
        self._normalize = normalize

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Run pixels `[n, height, width, 3]` to logits `[n, labels]`, float32."""
        inputs = self._normalize(pixels).to(next(self.module.parameters()).dtype)
        logits: torch.Tensor = self.module(pixel_values=inputs).logits
        return logits.float()


class Normalizer:
    """Scaling on the device, bit-equal to transformers' PIL processors, which use NumPy.

    They multiply in float64, round to float32, then subtract and divide in float32. It is no torch
    module, because its mean and std must stay float32 when the model becomes half precision.
    """

    def __init__(self, scaling: Scaling, device: torch.device) -> None:
        self._device = device
        self._factor = scaling.factor
        self._mean = _to_channels(scaling.mean, device)
        self._std = _to_channels(scaling.std, device)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Turn `[n, height, width, 3]` into scaled float32 `[n, 3, height, width]`."""
        values = pixels.to(self._device, non_blocking=True).permute(0, 3, 1, 2)
        if self._factor is not None:
            values = values.double().mul_(self._factor)
        values = values.float()
        if self._mean is not None and self._std is not None:
            values = values.sub(self._mean).div_(self._std)
        return values


def _to_channels(values: tuple[float, ...] | None, device: torch.device) -> torch.Tensor | None:
    """Shape one value per channel to broadcast over `[n, channels, height, width]`."""
    if values is None:
        return None
    return torch.tensor(values, dtype=torch.float32, device=device).reshape(1, -1, 1, 1)
