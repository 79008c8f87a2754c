"""Seeded random weights: a ViT that costs what a tuned one costs, written as a checkpoint.

Run by ``bench/kit/models.py`` in a process of its own, so that the benchmark itself loads no torch.
"""

import sys
from pathlib import Path

import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

SEED = 0
EDGE, LABELS = 224, 1000
HEAD_SPREAD = 0.2
"""Of the last layer's weights: at ViT's own 0.02 all labels score alike and any answer is right."""

SHAPES: dict[str, dict[str, int]] = {
    "tiny": {
        "hidden_size": 192,
        "num_attention_heads": 3,
        "intermediate_size": 768,
        "num_hidden_layers": 12,
    },
    "base": {},  # ViT-B/16 is what ViTConfig gives
}


def write_checkpoint(name: str, folder: Path) -> None:
    """Write the model of that shape and its processor."""
    torch.manual_seed(SEED)
    config = ViTConfig(image_size=EDGE, patch_size=16, num_labels=LABELS, **SHAPES[name])
    model = ViTForImageClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=HEAD_SPREAD)
    model.save_pretrained(folder)
    processor = ViTImageProcessor(
        size={"height": EDGE, "width": EDGE}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    processor.save_pretrained(folder)


if __name__ == "__main__":
    write_checkpoint(sys.argv[1], Path(sys.argv[2]))
