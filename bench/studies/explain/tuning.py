"""A small ViT tuned on crops of the photographs, from random weights, by a fixed seed."""

import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

from bench.studies.explain.pictures import CLASSES, SIDE, make_crops
from bench.studies.photographs import SOURCES

SEED = 3
POOL, STEPS, BATCH = 6000, 1000, 32
PEAK_RATE, WEIGHT_DECAY, WARM_UP_SHARE = 1.5e-3, 0.05, 0.1
PATCH = 6
SHAPE: dict[str, float] = {
    "image_size": SIDE,
    "patch_size": PATCH,
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "initializer_range": 0.13,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
MAX_ERASED = 0.5
"""Share of the patches that training covers at most: an explanation is judged by covering some."""


def tune_vit(folder: Path) -> float:
    """Tune the ViT and save it; returns its accuracy on 1000 crops of cells held out."""
    torch.manual_seed(SEED)
    labels = {label: SOURCES[source].stem for label, source in enumerate(CLASSES)}
    vit = ViTForImageClassification(ViTConfig(**SHAPE, id2label=labels))
    pool = make_crops(POOL, SEED, held_out=False)
    pixels, targets = torch.from_numpy(pool.pixels), torch.from_numpy(pool.labels)
    optimizer = torch.optim.AdamW(vit.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, PEAK_RATE, STEPS, pct_start=WARM_UP_SHARE
    )
    generator = torch.Generator().manual_seed(SEED)
    started = time.perf_counter()
    for step in range(STEPS):
        chosen = torch.randint(len(pixels), (BATCH,), generator=generator)
        inputs = _erase(_scale(pixels[chosen]), generator)
        loss = functional.cross_entropy(vit(pixel_values=inputs).logits, targets[chosen])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"step {step}: loss {loss.item():.3f}, {time.perf_counter() - started:.0f} s")
    vit.eval().save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    half = [0.5] * 3
    ViTImageProcessorPil(size=size, image_mean=half, image_std=half).save_pretrained(folder)
    held = make_crops(1000, SEED + 1, held_out=True)
    with torch.inference_mode():
        found = vit(pixel_values=_scale(torch.from_numpy(held.pixels))).logits.argmax(-1).numpy()
    return float(np.mean(found == held.labels))


def _scale(pixels: torch.Tensor) -> torch.Tensor:
    """Scale `[n, side, side, 3]` uint8 as the processor does, to `[n, 3, side, side]`."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def _erase(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Cover up to MAX_ERASED of the patches with the picture's mean colour."""
    cells = SIDE // PATCH
    share = MAX_ERASED * torch.rand(len(inputs), 1, 1, 1, generator=generator)
    covered = torch.rand(len(inputs), 1, cells, cells, generator=generator) < share
    mask = functional.interpolate(covered.float(), size=(SIDE, SIDE))
    return torch.lerp(inputs, inputs.mean(dim=(2, 3), keepdim=True), mask)
