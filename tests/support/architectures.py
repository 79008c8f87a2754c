"""A tiny checkpoint with random but seeded weights of every architecture that can be explained."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForImageClassification, ViTImageProcessorPil

from tests.support.checkpoints import LABELS, SIDE

_BLOCKS: dict[str, object] = {
    "image_size": SIDE,
    "patch_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "initializer_range": 0.3,
}
_STAGES: dict[str, object] = {"hidden_sizes": [8, 8, 12, 16], "depths": [1, 1, 1, 1]}
_CONVNEXT = _STAGES | {"initializer_range": 0.5, "layer_scale_init_value": 1.0}
_RESNET = _STAGES | {"embedding_size": 8, "layer_type": "basic"}
_SWIN: dict[str, object] = {"image_size": SIDE, "patch_size": 2, "embed_dim": 8, "window_size": 4}

CONFIGS: dict[str, dict[str, object]] = {
    "beit": _BLOCKS,
    "clip": {"vision_config": _BLOCKS},
    "convnext": _CONVNEXT,
    "convnextv2": _STAGES | {"initializer_range": 0.5},
    "deit": _BLOCKS | {"architectures": ["DeiTForImageClassification"]},
    "dinov2": _BLOCKS,
    "dinov2_with_registers": _BLOCKS | {"num_register_tokens": 3},
    "ijepa": _BLOCKS,
    "metaclip_2": {"vision_config": _BLOCKS},
    "regnet": _RESNET | {"groups_width": 4, "layer_type": "x"},
    "resnet": _RESNET,
    "siglip": {"vision_config": _BLOCKS},
    "swin": _SWIN | {"depths": [1, 1], "num_heads": [2, 2]},
    "vit": _BLOCKS,
    "vit_msn": _BLOCKS,
}
"""What differs from each architecture's default, by model_type."""


def save_architecture(folder: Path, model_type: str) -> Path:
    """Save a checkpoint of a type, with a ViT's processor; stages get larger pixels than blocks."""
    given = CONFIGS[model_type]
    config = AutoConfig.for_model(model_type, **given, id2label=dict(enumerate(LABELS)))
    side = 3 * SIDE if "hidden_sizes" in given else SIDE
    with torch.random.fork_rng():
        torch.manual_seed(11)
        AutoModelForImageClassification.from_config(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": side, "width": side}).save_pretrained(folder)
    return folder
