"""The training loop of the bundled checkpoint: augmentation, learning rate schedule, epochs."""

import logging
import math

import torch
from torch import Tensor
from torch.nn import functional
from transformers import ViTForImageClassification

EPOCHS = 55
REPORT_EVERY = 5
BATCH = 64
PEAK_RATE = 2e-3
WARMUP_SHARE = 0.1
WEIGHT_DECAY = 0.05
MAX_TURN = 0.15  # radians
MAX_SHIFT = 0.12  # of half a side
MIN_SCALE, MAX_SCALE = 0.75, 1.15
BLOCKY_SHARE = 0.25
NOISE = 0.03
logger = logging.getLogger(__name__)


def random_grid(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Return (count, side, side, 2) sampling positions: turned, shifted, scaled."""
    draw = torch.rand(5, count, generator=generator)
    turn, right, down = (2 * draw[:3] - 1) * torch.tensor([[MAX_TURN], [MAX_SHIFT], [MAX_SHIFT]])
    wide, high = 1 / (MIN_SCALE + (MAX_SCALE - MIN_SCALE) * draw[3:])
    cos, sin = turn.cos(), turn.sin()
    rows = [wide * cos, -wide * sin, right, high * sin, high * cos, down]
    theta = torch.stack(rows, dim=1).view(-1, 2, 3)
    return functional.affine_grid(theta, [count, 1, side, side], align_corners=False)


def augment(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Return (N, 3, 32, 32) grey pixels moved and made noisy, some of them made blocky."""
    count, side = len(pixels), pixels.shape[-1]
    grey = pixels[:, :1] + 1  # the dark ground becomes 0, which is what padding brings in
    blocky = functional.interpolate(functional.avg_pool2d(grey, 4), scale_factor=4.0)
    chosen = torch.rand(count, 1, 1, 1, generator=generator) < BLOCKY_SHARE
    grid = random_grid(count, side, generator)
    moved = functional.grid_sample(torch.where(chosen, blocky, grey), grid, align_corners=False)
    noise = NOISE * torch.randn(moved.shape, generator=generator)
    return (moved - 1 + noise).expand_as(pixels)


def rate_at(done: float) -> float:
    """Return the share of the peak learning rate when ``done`` (0..1) of the steps are taken."""
    if done < WARMUP_SHARE:
        return done / WARMUP_SHARE
    return 0.5 + 0.5 * math.cos(math.pi * (done - WARMUP_SHARE) / (1 - WARMUP_SHARE))


def run_epoch(
    model: ViTForImageClassification,
    data: tuple[Tensor, Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    generator: torch.Generator,
) -> float:
    """Train on (N, 3, 32, 32) pixels and (N,) labels once over; return the mean loss in nats."""
    pixels, labels = data
    total = 0.0
    order = torch.randperm(len(pixels), generator=generator)
    for start in range(0, len(pixels), BATCH):
        rows = order[start : start + BATCH]
        logits = model(augment(pixels[rows], generator)).logits
        loss = functional.cross_entropy(logits, labels[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item() * len(rows)
    return total / len(pixels)


def fit(model: ViTForImageClassification, pixels: Tensor, labels: Tensor, seed: int) -> None:
    """Train the model in place on (N, 3, 32, 32) pixels and (N,) labels, for EPOCHS epochs."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    steps = EPOCHS * math.ceil(len(pixels) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step / steps))
    model.train()
    for epoch in range(1, EPOCHS + 1):
        loss = run_epoch(model, (pixels, labels), optimizer, schedule, generator)
        if epoch % REPORT_EVERY == 0:
            logger.info("epoch %d of %d: loss %.4f", epoch, EPOCHS, loss)
    model.train(mode=False)
