"""Checkpoints to study on photographs: two seeded ViTs of 224 pixels beside the bundled digits.

One has random weights and resizes to a square. The other has a head fitted on photographs, so that
it tells them apart with a margin, and crops the centre. Knows nothing of decoding.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil
from transformers.image_processing_utils import BaseImageProcessor

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from bench.studies.photographs import SOURCES, add_noise, mirror_source, scale_source

SEED = 11
TRAINING = 40 * len(SOURCES)
TINY = {"patch_size": 32, "hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 3}


def make_vit() -> ViTForImageClassification:
    """Return a tiny ViT with random weights, a label for each source."""
    torch.manual_seed(SEED)
    labels = {number: path.stem for number, path in enumerate(SOURCES)}
    config = ViTConfig(**TINY, intermediate_size=768, initializer_range=0.05, id2label=labels)
    return ViTForImageClassification(config).eval()


def fit_head(vit: ViTForImageClassification, processor: BaseImageProcessor) -> float:
    """Fit the head to tell the sources apart; returns its accuracy on pictures held out."""
    generator = np.random.default_rng(SEED)
    features, sources = [], []
    for number in range(TRAINING):
        make = (scale_source, mirror_source)[generator.choice(2)]
        image = make(number % len(SOURCES), (480, 360), generator)
        pixels = processor(add_noise(image, generator).convert("RGB"), return_tensors="pt")
        with torch.inference_mode():
            features.append(vit.vit(**pixels).last_hidden_state[0, 0].numpy())
        sources.append(number % len(SOURCES))
    held = TRAINING // 4
    mean, std = np.mean(features, axis=0), np.std(features, axis=0)
    fitted = LogisticRegression(max_iter=1000).fit((features - mean)[held:] / std, sources[held:])
    weight = fitted.coef_ / std
    with torch.no_grad():
        vit.classifier.weight.copy_(torch.from_numpy(weight))
        vit.classifier.bias.copy_(torch.from_numpy(fitted.intercept_ - weight @ mean))
    return float(fitted.score((features - mean)[:held] / std, sources[:held]))


def load_models(folder: Path) -> dict[str, Model]:
    """Save the seeded ones below the folder and load all three."""
    square = ViTImageProcessorPil(size={"height": 224, "width": 224})
    crop = ViTImageProcessorPil(
        size={"shortest_edge": 256},
        do_center_crop=True,
        crop_size={"height": 224, "width": 224},
        resample=Image.Resampling.BICUBIC,
    )
    models = {"digits, 32 px": Model(open_checkpoint("bundled"), EngineOptions("cpu", "torch"))}
    for name, processor in (("random, 224 px", square), ("fitted, 224 px cropped", crop)):
        vit = make_vit()
        if processor is crop:
            print(f"fitted: accuracy {fit_head(vit, processor):.3f} on pictures held out")
        vit.save_pretrained(folder / name)
        processor.save_pretrained(folder / name)
        models[name] = Model(open_checkpoint(str(folder / name)), EngineOptions("cpu", "torch"))
    return models
