"""Run ``python -m bench.engine --device cpu|cuda``: the engines alone, without Ray and HTTP.

Every engine runs the same batches in alternating rounds, beside a raw loop: on a GPU one CUDA graph
of the bf16 network over pixels that lie there already, on a CPU the eager fp32 network. With
``--queue`` the service's own choice of engine also runs behind a queue that local processes fill.
The last line of stdout is one JSON object. Pixels are random: nothing is timed on zeros.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch

from app.backend import Pixels
from app.classifier.checkpoint.files import Checkpoint, open_checkpoint
from app.classifier.checkpoint.processor import load_processor
from app.classifier.engines.engine import Engine, EngineInput
from app.classifier.engines.network import load_network
from app.classifier.engines.selection import EngineOptions, build_engine
from app.classifier.model import Model
from app.errors import StartupError
from bench.kit.models import find_checkpoint
from bench.kit.results import Record, format_table, save, start_record
from bench.kit.rounds import divide, run_rounds, time_calls
from bench.studies.engine_queue import measure_queue

WANTED = {
    "cpu": ("torch fp32", "torch bf16", "compile fp32", "openvino fp32", "openvino bf16"),
    "cuda": ("torch bf16", "torch fp16", "compile bf16", "compile fp16", "torch fp32"),
}
"""By device, the engines with their precisions."""

MODELS = {"cpu": ["digits", "tiny", "base"], "cuda": ["base", "large"]}
BATCHES = {"cpu": [1, 8, 64], "cuda": [1, 8, 32, 64, 128, 256]}

RAW, QUEUE = "raw loop", "behind a queue"
MIN_CALLS = 2
POOL = ThreadPoolExecutor()
HEAD = ("model", "batch", "engine", "images/s", "of raw", "largest difference")
ROW = "| {model} | {batch} | {engine} | {images_per_s} | {of_raw} | {shown} |"


def make_pixels(source: EngineInput, batch: int) -> Pixels:
    """Return random pixels ``[batch, height, width, 3]``."""
    shape = (batch, *source.geometry.shape)
    return np.random.default_rng(batch).integers(0, 256, shape, dtype=np.uint8)


def build_engines(source: EngineInput, options: argparse.Namespace) -> dict[str, Engine]:
    """Return every engine that this machine has, by name; what it lacks is printed."""
    engines: dict[str, Engine] = {}
    for name in options.engines or WANTED[options.device]:
        named: dict[str, Any] = dict(zip(("engine", "precision"), name.split(), strict=True))
        asked = EngineOptions(options.device, buckets=tuple(sorted(options.batches)), **named)
        try:
            engines[name], _ = build_engine(source.checkpoint, asked)
        except StartupError as error:
            print(f"{name}: {error}", file=sys.stderr)
    for built in engines.values():
        built.set_threads(options.threads)
    return engines


def make_raw(source: EngineInput, device: str, pixels: Pixels) -> Callable[[], int]:
    """Return the raw loop's call, which returns its images: no copies, what the hardware gives."""
    if device == "cuda":
        return make_raw_graph(source, pixels)
    network, inputs = load_network(source, "fp32", torch.device("cpu")), torch.from_numpy(pixels)

    @torch.inference_mode()
    def call() -> int:
        network(inputs)
        return len(pixels)

    return call


@torch.no_grad()
def make_raw_graph(source: EngineInput, pixels: Pixels) -> Callable[[], int]:
    """Return what replays one CUDA graph and waits for it."""
    network = load_network(source, "bf16", torch.device("cuda:0"))
    inputs, graph = torch.from_numpy(pixels).to("cuda:0"), torch.cuda.CUDAGraph()
    network(inputs)  # libraries choose their kernels
    with torch.cuda.graph(graph):
        network(inputs)

    def call(_alive: tuple[object, ...] = (network, inputs)) -> int:
        graph.replay()
        torch.cuda.synchronize()
        return len(pixels)

    return call


def run_engine(engine: Engine, pixels: Pixels) -> int:
    """Run as many batches at once as the engine has slots; return how many images that were."""
    if engine.slots == 1:
        engine.run(pixels)
    else:
        list(POOL.map(engine.run, [pixels] * engine.slots))
    return engine.slots * len(pixels)


def compare_scores(
    source: EngineInput, engines: dict[str, Engine], pixels: Pixels
) -> dict[str, float]:
    """Return each engine's largest difference of a probability from fp32 eager on the CPU."""
    network = load_network(source, "fp32", torch.device("cpu"))
    with torch.inference_mode():
        exact = network(torch.from_numpy(pixels)).softmax(-1)
    found = {name: torch.from_numpy(engine.run(pixels)) for name, engine in engines.items()}
    return {name: float((one.softmax(-1) - exact).abs().max()) for name, one in found.items()}


def load_behind(checkpoint: Checkpoint, options: argparse.Namespace) -> Model:
    """Return the model as the service loads it, for batches of all sizes."""
    asked = EngineOptions(options.device, buckets=tuple(sorted(options.batches)))
    model = Model(checkpoint, asked)
    model.engine.set_threads(options.threads)
    return model


def measure_rate(run: Callable[[], int], seconds: float) -> float:
    """Return images/s over at least so many seconds and two calls; ``run`` returns its images."""
    images: list[int] = []
    taken = time_calls(lambda: images.append(run()), seconds, MIN_CALLS)
    return sum(images) / sum(taken)


def measure_model(model: str, options: argparse.Namespace) -> list[Record]:
    """Return a row for each batch size and engine of one model."""
    checkpoint, device = open_checkpoint(str(find_checkpoint(model).folder)), options.device
    source = EngineInput(checkpoint, *load_processor(checkpoint.processor_folder))
    engines = build_engines(source, options)
    differences = compare_scores(source, engines, make_pixels(source, min(options.batches)))
    model_behind = load_behind(checkpoint, options) if options.queue else None
    torch.set_num_threads(options.threads)
    rows: list[Record] = []
    for batch in options.batches:
        pixels = make_pixels(source, batch)
        runs = {RAW: make_raw(source, device, pixels)}
        runs |= {name: partial(run_engine, one, pixels) for name, one in engines.items()}
        measures = {name: partial(measure_rate, run, options.seconds) for name, run in runs.items()}
        if model_behind:
            queue = (model_behind, batch, options.queue, options.seconds)
            measures[QUEUE] = partial(measure_queue, *queue)
        rates = run_rounds(measures, options.rounds)
        for name, seen in rates.items():
            row = {"model": model, "batch": batch, "engine": name, "spread": [min(seen), max(seen)]}
            row |= {"images_per_s": round(median(seen), 1)}
            row["of_raw"] = divide(median(seen), median(rates[RAW]))
            rows.append(row | {"largest_difference": differences.get(name)})
            shown = f"{differences[name]:.1e}" if name in differences else ""
            print(ROW.format(**rows[-1], shown=shown), flush=True)
    return rows


def run() -> None:
    """Measure, print the table and keep the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--device", choices=tuple(WANTED), default="cpu")
    parser.add_argument("--models", type=lambda text: text.split(","))
    parser.add_argument("--engines", type=lambda text: text.split(","), help="such as torch bf16")
    parser.add_argument("--batches", type=int, nargs="+")
    parser.add_argument("--queue", type=int, default=0, help="processes that fill it; 0 for none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each engine in a round")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    options.models = options.models or MODELS[options.device]
    options.batches = options.batches or BATCHES[options.device]
    warnings.simplefilter("ignore")  # of torch's compiler; what counts is the table
    print(format_table(HEAD, []))
    record = start_record("engine") | {
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu",
        "threads": options.threads,
        "rows": [row for model in options.models for row in measure_model(model, options)],
    }
    is_part = bool(options.engines) or options.models != MODELS[options.device]
    save(record, f"engine-{options.device}{'-part' * is_part}")
