"""The model: groups of pixels in, logits out. It scales and normalises on its device."""

import time
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import torch
from transformers import PreTrainedModel

from app.backend import Activation, Description, Group, Logits, Pixels, Scored
from app.classifier.checkpoint import Checkpoint
from app.classifier.engine import build_engine
from app.classifier.guard import refuse_broken
from app.classifier.processor import Scaling, load_processor
from app.classifier.weights import load_weights
from app.errors import SettingsError


class Model:
    """One checkpoint on one device.

    Args:
        checkpoint: what to load.
        device: `auto`, `cpu` or `cuda`.

    Raises:
        StartupError: the checkpoint or the device does not serve.
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto") -> None:
        self._device = _find_device(device)
        geometry, scaling = load_processor(checkpoint.processor_folder)
        module = load_weights(checkpoint).to(self._device)
        self._engine = build_engine(module, geometry.size)
        self._normalize = Normalizer(scaling, self._device)
        self.description = Description(
            model_id=checkpoint.id,
            revision=checkpoint.revision,
            labels=checkpoint.labels,
            activation=_find_activation(module),
            geometry=geometry,
            device=str(self._device),
        )
        self._check_fit(checkpoint)

    def score(self, groups: Sequence[Group]) -> list[Scored]:
        """Score groups as one batch; a group with another geometry is refused, not failed."""
        started = time.perf_counter()
        fitting = [group for group in groups if group.geometry == self.description.geometry]
        logits: Iterator[Logits] = iter(())
        if fitting:
            scored = self.forward(np.concatenate([group.pixels for group in fitting]))
            ends = np.cumsum([len(group.pixels) for group in fitting])[:-1]
            logits = iter(np.split(scored, ends))
        inference_ms = (time.perf_counter() - started) * 1000
        return [
            Scored(
                revision=self.description.revision,
                logits=next(logits) if group.geometry == self.description.geometry else None,
                description=self._introduce(group),
                inference_ms=inference_ms,
            )
            for group in groups
        ]

    @torch.inference_mode()
    def forward(self, pixels: Pixels) -> Logits:
        """Run pixels `[n, height, width, 3]` to logits `[n, labels]`, float32."""
        inputs = self._normalize(torch.from_numpy(pixels))
        logits = self._engine(inputs)
        return cast("Logits", logits.float().cpu().numpy())

    def warm_up(self, batch_size: int) -> None:
        """Run a blank batch of each power of two below `batch_size`, and of `batch_size`."""
        for size in (*(1 << power for power in range((batch_size - 1).bit_length())), batch_size):
            self.run_blank(size)

    def run_blank(self, size: int) -> None:
        """Run a blank batch of `size` images."""
        geometry = self.description.geometry
        shape = (size, *geometry.size, 3)
        is_plain = geometry.fallback is None
        self.forward(np.zeros(shape, np.uint8) if is_plain else np.zeros(shape, np.float32))

    def _check_fit(self, checkpoint: Checkpoint) -> None:
        """Refuse a processor whose pixels the model cannot take."""
        height, width = self.description.geometry.size
        subject = (
            f"the model of {checkpoint.folder} cannot run on the {height} x {width} pixels that "
            f"the image processor of {checkpoint.processor_folder} gives"
        )
        with refuse_broken(
            subject, "Set VITRINE_PROCESSOR to the processor that it was tuned with."
        ):
            self.warm_up(1)

    def _introduce(self, group: Group) -> Description | None:
        """Describe this model to a group that was prepared for another one."""
        known = (self.description.revision, self.description.geometry)
        return None if (group.revision, group.geometry) == known else self.description


class Normalizer:
    """Scaling on the device, bit-equal to transformers' PIL processors, which use NumPy.

    They multiply in float64, round to float32, then subtract and divide in float32.
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


def _find_device(device: str) -> torch.device:
    """Find the device that is asked for; auto takes a GPU where there is one."""
    has_cuda = torch.cuda.is_available()
    if device == "cuda" and not has_cuda:
        message = "VITRINE_DEVICE=cuda, but torch sees no GPU. Set it to auto or cpu."
        raise SettingsError(message)
    return torch.device("cuda:0" if has_cuda and device != "cpu" else "cpu")


def _find_activation(module: PreTrainedModel) -> Activation:
    """Find what turns logits into scores, by the rules of transformers' pipeline."""
    problem = module.config.problem_type
    if problem == "regression":
        return "none"
    if problem == "multi_label_classification" or module.config.num_labels == 1:
        return "sigmoid"
    return "softmax"


def _to_channels(values: tuple[float, ...] | None, device: torch.device) -> torch.Tensor | None:
    """Shape one value a channel to broadcast over `[n, channels, height, width]`."""
    if values is None:
        return None
    return torch.tensor(values, dtype=torch.float32, device=device).reshape(1, -1, 1, 1)
