"""Tiny checkpoints with random but seeded weights, and ways to spoil a copy of one."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import (
    BeitConfig,
    BeitForImageClassification,
    BeitImageProcessorPil,
    ConvNextConfig,
    ConvNextForImageClassification,
    ConvNextImageProcessorPil,
    DeiTConfig,
    DeiTForImageClassification,
    DeiTForImageClassificationWithTeacher,
    DeiTImageProcessorPil,
    PreTrainedModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
)
from transformers.image_processing_utils import BaseImageProcessor

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model

SIDE = 32
LABELS = ("ant", "bee", "cat", "dog", "eel")
_TINY: dict[str, object] = {
    "image_size": SIDE,
    "patch_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "initializer_range": 0.3,
}


def load_model(folder: Path) -> Model:
    """Load a checkpoint on the CPU."""
    return Model(open_checkpoint(str(folder)), EngineOptions("cpu"))


def save_vit(folder: Path, labels: tuple[str, ...] = LABELS, problem: str | None = None) -> Path:
    """Save a ViT whose processor resizes to a square."""
    config = ViTConfig(**_TINY, id2label=dict(enumerate(labels)), problem_type=problem)
    processor = ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})
    return _save(folder, ViTForImageClassification, config, processor)


def save_wide_vit(folder: Path, side: int) -> Path:
    """Save a ViT of one layer for large pixels: there is little to compute and much to send."""
    config = ViTConfig(
        **_TINY | {"image_size": side, "patch_size": side, "num_hidden_layers": 1},
        id2label=dict(enumerate(LABELS)),
    )
    processor = ViTImageProcessorPil(size={"height": side, "width": side})
    return _save(folder, ViTForImageClassification, config, processor)


def save_deit(folder: Path, *, with_teacher: bool = False) -> Path:
    """Save a DeiT whose processor resizes to a larger square and crops its centre."""
    model = DeiTForImageClassificationWithTeacher if with_teacher else DeiTForImageClassification
    config = DeiTConfig(**_TINY, id2label=dict(enumerate(LABELS)))
    processor = DeiTImageProcessorPil(
        size={"height": 41, "width": 41}, crop_size={"height": SIDE, "width": SIDE}
    )
    return _save(folder, model, config, processor)


def save_convnext(folder: Path) -> Path:
    """Save a ConvNeXt whose processor resizes the short edge by crop_pct and crops."""
    config = ConvNextConfig(
        hidden_sizes=[8, 8, 12, 16],
        depths=[1, 1, 1, 1],
        initializer_range=0.5,
        layer_scale_init_value=1.0,
        id2label=dict(enumerate(LABELS)),
    )
    processor = ConvNextImageProcessorPil(size={"shortest_edge": SIDE}, crop_pct=0.875)
    return _save(folder, ConvNextForImageClassification, config, processor)


def save_beit(folder: Path) -> Path:
    """Save a BeiT, whose processor has steps of its own: it needs the fallback."""
    config = BeitConfig(**_TINY, id2label=dict(enumerate(LABELS)))
    processor = BeitImageProcessorPil(
        size={"height": 40, "width": 40},
        do_center_crop=True,
        crop_size={"height": SIDE, "width": SIDE},
    )
    return _save(folder, BeitForImageClassification, config, processor)


def copy_checkpoint(source: Path, folder: Path) -> Path:
    """Copy a checkpoint, to spoil the copy."""
    return Path(shutil.copytree(source, folder))


def edit_json(path: Path, *removed: str, **changes: object) -> None:
    """Change keys of a JSON file, and remove some."""
    value = json.loads(path.read_text())
    kept = {key: old for key, old in value.items() if key not in removed}
    path.write_text(json.dumps(kept | changes))


def pickle_weights(folder: Path, *removed: str) -> Path:
    """Replace safetensors by the pytorch_model.bin that a 2023 trainer wrote; gives its path."""
    safetensors = folder / "model.safetensors"
    weights = {name: value for name, value in load_file(safetensors).items() if name not in removed}
    safetensors.unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def _save(
    folder: Path,
    model: type[PreTrainedModel],
    config: object,
    processor: BaseImageProcessor,
) -> Path:
    """Save a model with seeded random weights, and its processor."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        model(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
