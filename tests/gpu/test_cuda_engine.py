"""The engine on a GPU: its answers, and what other threads and models do to them meanwhile.

`make gpu-test` runs what is here; `make test` leaves it out.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from app.backend import Logits, Pixels
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.processor import load_processor
from app.classifier.engines.engine import Engine, EngineInput, EngineName, Precision
from app.classifier.engines.network import load_network
from app.classifier.engines.selection import EngineOptions, build_eager_engine, build_engine
from app.errors import SettingsError

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

BUCKETS = (1, 4, 16)
CLOSE: dict[Precision, float] = {"fp32": 1e-4, "bf16": 1e-1, "fp16": 1e-2}
"""Largest difference of a probability from fp32 on the CPU, on random pixels."""


@pytest.fixture(scope="module")
def source() -> EngineInput:
    """The bundled checkpoint."""
    checkpoint = open_checkpoint("bundled")
    return EngineInput(checkpoint, *load_processor(checkpoint.processor_folder))


@pytest.fixture(scope="module")
def pixels(source: EngineInput) -> Pixels:
    """A full batch of random pixels."""
    shape = (BUCKETS[-1], *source.geometry.shape)
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def build(source: EngineInput, name: EngineName, precision: Precision = "bf16") -> Engine:
    """Build an engine on the GPU."""
    return build_engine(source.checkpoint, EngineOptions("cuda", name, precision, BUCKETS))[0]


def find_softmax(logits: Logits) -> torch.Tensor:
    """Return probabilities."""
    return torch.from_numpy(logits).softmax(-1)


@contextmanager
def keep_running(engine: Engine, pixels: Pixels) -> Iterator[list[float]]:
    """Run batches of two sizes in two threads; gives how far each answer was from the first."""
    expected, ended, far = engine.run(pixels), threading.Event(), list[float]()

    def run(size: int) -> None:
        while not ended.is_set():
            far.append(float(np.abs(engine.run(pixels[:size]) - expected[:size]).max()))
            time.sleep(0.002)  # else the other thread hardly gets the interpreter lock

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run, size) for size in (16, 3)]
        try:
            yield far
        finally:
            ended.set()
    for one in runs:
        one.result()


@pytest.mark.parametrize(
    ("name", "precision"),
    [("torch", "fp32"), ("torch", "bf16"), ("torch", "fp16"), ("compile", "bf16")],
)
def test_scores_are_those_of_fp32_on_the_cpu(
    name: EngineName, precision: Precision, source: EngineInput, pixels: Pixels
) -> None:
    """Each engine and precision, for batches of a bucket's size and of others."""
    engine = build(source, name, precision)
    assert (engine.name, engine.precision, engine.device) == (name, precision, "cuda:0")
    with torch.inference_mode():
        exact = load_network(source, "fp32", torch.device("cpu"))(torch.from_numpy(pixels))
    for size in (1, 3, 4, 5, 16):
        scores = find_softmax(engine.run(pixels[:size]))
        assert (scores - exact[:size].softmax(-1)).abs().max() <= CLOSE[precision]


def test_the_weights_outlive_other_models(source: EngineInput, pixels: Pixels) -> None:
    """A graph knows addresses only: what is loaded later must not lie where its weights are."""
    engine = build(source, "torch")
    before = engine.run(pixels)
    build_eager_engine(source, "cuda:0").run(pixels)
    taken = [torch.full((1 << 18,), torch.nan, device="cuda:0") for _ in range(200)]
    np.testing.assert_array_equal(engine.run(pixels), before)
    assert len(taken) == 200


@pytest.mark.parametrize("name", ["torch", "compile"])
def test_a_model_is_loaded_beside_one_that_serves(
    name: EngineName, source: EngineInput, pixels: Pixels
) -> None:
    """As a reload does: the capture in one thread disturbs no batch of another, nor they it."""
    engine = build(source, name)
    with keep_running(engine, pixels) as far, ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            other = pool.submit(build, source, name).result()
            assert other.name == name
            np.testing.assert_allclose(other.run(pixels), engine.run(pixels), atol=0.2)
    assert len(far) > 10
    assert max(far) < 0.2


def test_both_slots_run_at_once(source: EngineInput, pixels: Pixels) -> None:
    """Batches of all sizes in four threads get the answers that each gets alone."""
    engine = build(source, "torch")
    alone = {size: engine.run(pixels[:size]) for size in (1, 2, 4, 7, 16)}

    def run(number: int) -> float:
        size = list(alone)[number % len(alone)]
        return float(np.abs(engine.run(pixels[:size]) - alone[size]).max())

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(run, range(300))) == 0


def test_a_batch_above_the_largest_bucket_is_an_error(source: EngineInput, pixels: Pixels) -> None:
    """It is no StopIteration, which a future cannot carry."""
    engine = build_engine(source.checkpoint, EngineOptions("cuda", "torch", "bf16", (1, 4)))[0]
    with pytest.raises(IndexError):
        engine.run(pixels[:5])


@pytest.mark.parametrize("name", ["torch", "compile"])
def test_too_little_memory_is_said(name: EngineName, source: EngineInput) -> None:
    """One line that names the settings, with compilation and without."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1e-5)
    try:
        with pytest.raises(SettingsError, match=r"memory is too small\. Lower VITRINE_BATCH_SIZE"):
            build(source, name)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
