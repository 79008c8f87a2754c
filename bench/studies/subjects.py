"""What the engine study times: every engine that this machine has, beside a raw loop."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from app.backend import Logits, Pixels
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.processor import load_processor
from app.classifier.engines.engine import Engine, EngineInput
from app.classifier.engines.network import load_network
from app.classifier.engines.selection import EngineOptions, build_engine
from app.errors import StartupError
from bench.kit.models import find_checkpoint

WANTED = {
    "cpu": (
        ("torch", "fp32"),
        ("torch", "bf16"),
        ("compile", "fp32"),
        ("openvino", "fp32"),
        ("openvino", "bf16"),
    ),
    "cuda": (("torch", "bf16"), ("compile", "bf16"), ("compile", "fp16"), ("torch", "fp32")),
}
RAW = "raw loop"
Run = Callable[[], object]


@dataclass(frozen=True)
class Subject:
    """One thing to time: what it is called, what runs one round's batch, images a call."""

    name: str
    run: Run
    images: int


def make_source(name: str) -> EngineInput:
    """Return one of MODELS to build engines from."""
    checkpoint = open_checkpoint(str(find_checkpoint(name).folder))
    return EngineInput(checkpoint, *load_processor(checkpoint.processor_folder))


def make_pixels(source: EngineInput, batch: int) -> Pixels:
    """Return random pixels ``[batch, height, width, 3]``."""
    shape = (batch, *source.geometry.size, 3)
    return np.random.default_rng(batch).integers(0, 256, shape, dtype=np.uint8)


def build_engines(
    source: EngineInput, device: str, batches: tuple[int, ...], threads: int
) -> dict[str, Engine]:
    """Return every engine that this machine has, by what was asked for; what it lacks is told."""
    engines: dict[str, Engine] = {}
    for engine, precision in WANTED[device]:
        try:
            built = build_engine(source, EngineOptions(device, engine, precision, batches))
        except StartupError as error:
            print(f"{engine} {precision}: {error}", file=sys.stderr)
            continue
        built.set_threads(threads)
        engines[f"{engine} {precision}"] = built
    return engines


def make_raw(source: EngineInput, device: str, pixels: Pixels) -> Run:
    """Return the raw loop's call: no copies, no staging, what the hardware gives."""
    place = torch.device("cuda:0" if device == "cuda" else "cpu")
    network = load_network(source, "bf16" if device == "cuda" else "fp32", place)
    inputs = torch.from_numpy(pixels).to(place)
    compiled = torch.compile(network, mode="max-autotune-no-cudagraphs")
    run = compiled if device == "cuda" else network

    @torch.inference_mode()
    def call() -> object:
        logits = run(inputs)
        if device == "cuda":
            torch.cuda.synchronize()
        return logits

    return call


def make_subject(name: str, engine: Engine, pixels: Pixels, pool: ThreadPoolExecutor) -> Subject:
    """Return an engine with as many batches under way as it has places."""

    def call() -> object:
        return [done.result() for done in [pool.submit(engine.run, pixels) for _ in places]]

    places = range(engine.places)
    if engine.places == 1:
        return Subject(name, lambda: engine.run(pixels), len(pixels))
    return Subject(name, call, len(pixels) * engine.places)


def compute_scores(logits: Logits) -> torch.Tensor:
    """Return probabilities."""
    return torch.from_numpy(logits).softmax(-1)


def compare_scores(
    source: EngineInput, engines: dict[str, Engine], pixels: Pixels
) -> dict[str, float]:
    """Return each engine's largest difference of a probability from fp32 eager on the CPU."""
    network = load_network(source, "fp32", torch.device("cpu"))
    with torch.inference_mode():
        exact = network(torch.from_numpy(pixels)).softmax(-1)
    return {
        name: float((compute_scores(engine.run(pixels)) - exact).abs().max())
        for name, engine in engines.items()
    }
