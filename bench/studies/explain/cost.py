"""What an explanation of ViT-B/16 costs beside a prediction, on a CPU."""

import resource
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import torch
from torch import Tensor

from app.classifier.explanation.model_explainer import MAX_IMAGES
from bench.kit.models import find_checkpoint
from bench.kit.results import Record
from bench.studies.explain.rivals import (
    CEILING,
    DEFAULT,
    follow_paper,
    roll_out,
    weigh_gradients,
)
from bench.studies.explain.subject import Subject

ROUNDS = {1: 7, 32: 5}
"""Interleaved rounds, by the size of the batch; one more before them is not counted."""

EDGE = 224


def measure_cost() -> Record:
    """Return forwards and milliseconds of each method, and peak memory."""
    torch.set_num_threads(1)  # what else runs here disturbs one thread less
    subject = Subject(find_checkpoint("base").folder)
    record: Record = {"memory_mb": _measure_memory(subject)}
    for size, rounds in ROUNDS.items():
        record[f"batch {size}"] = _time_batch(subject, size, rounds)
    return record


def _time_batch(subject: Subject, size: int, rounds: int) -> Record:
    """Return medians of the CPU time of a batch, in ms and in forwards."""
    seconds: dict[str, list[float]] = {}
    calls = _list_calls(subject, size)
    for number in range(rounds + 1):
        for name in list(calls)[:: 1 if number % 2 else -1]:
            started = time.process_time()
            calls[name]()
            if number:
                seconds.setdefault(name, []).append(time.process_time() - started)
    forward = median(seconds["forward"])
    return {
        name: {
            "cpu_ms": round(1000 * median(each), 1),
            "forwards": round(median(each) / forward, 2),
            "rounds": [
                round(one / other, 2) for one, other in zip(each, seconds["forward"], strict=True)
            ],
        }
        for name, each in seconds.items()
    }


def _list_calls(subject: Subject, size: int) -> dict[str, Callable[[], object]]:
    """List what is timed on a batch."""
    pixels = np.random.default_rng(0).integers(0, 256, (size, EDGE, EDGE, 3), dtype=np.uint8)
    inputs, labels = subject.scale(pixels), torch.zeros(size, dtype=torch.long)
    total = len(subject.blocks)
    calls: dict[str, Callable[[], object]] = {"forward": partial(_forward, subject, inputs)}
    for count, name in ((total, DEFAULT), (total // 2, f"the same, last {total // 2} blocks")):
        calls[name] = partial(_explain, subject, inputs, labels, count)
    if size == 1:
        tracked = inputs.requires_grad_()
        calls[CEILING] = partial(follow_paper, subject, tracked, labels)
        calls["LeGrad"] = partial(weigh_gradients, subject, tracked, labels, total)
        calls["rollout"] = partial(roll_out, subject, tracked, labels)
    return calls


@torch.inference_mode()
def _forward(subject: Subject, inputs: Tensor) -> Tensor:
    """Run a prediction."""
    subject.restore()
    logits: Tensor = subject.module(pixel_values=inputs).logits
    return logits


def _explain(subject: Subject, inputs: Tensor, labels: Tensor, count: int) -> None:
    """Run explanations, in the service's runs."""
    method = subject.attention(count)
    for start in range(0, len(inputs), MAX_IMAGES):
        part = slice(start, start + MAX_IMAGES)
        method.explain(inputs[part].detach(), labels[part, None])


def _measure_memory(subject: Subject) -> Record:
    """Return the process's peak, in MB, after each of some runs in this order."""
    found = {"loaded": _read_peak()}
    for name, size, run in (
        ("forward, batch 1", 1, _forward),
        ("explanation, batch 1", 1, None),
        ("forward, batch 32", 32, _forward),
        ("explanation, batch 32", 32, None),
    ):
        inputs = torch.randn(size, 3, EDGE, EDGE)
        if run is None:
            labels = torch.zeros(size, dtype=torch.long)
            _explain(subject, inputs, labels, len(subject.blocks))
        else:
            run(subject, inputs)
        found[name] = _read_peak()
    return found


def _read_peak() -> int:
    """Return the most memory that this process has held, in MB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
