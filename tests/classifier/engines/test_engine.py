"""The contract that every engine keeps, and which one is taken."""

import logging
import shutil
from pathlib import Path
from typing import Literal, cast

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageClassification

from app.backend import Logits, Pixels
from app.classifier.checkpoint.files import BUNDLED, PROCESSOR_CONFIG, open_checkpoint
from app.classifier.checkpoint.processor import load_processor
from app.classifier.engines import selection
from app.classifier.engines.engine import Engine, EngineInput, EngineName, Precision
from app.classifier.engines.openvino import TOLERANCE, OpenvinoEngine
from app.classifier.engines.selection import EngineOptions, build_engine
from app.classifier.engines.torch_cpu import CpuEngine
from app.classifier.model import Model
from app.errors import CheckpointError, SettingsError
from app.images.decoder import ImageDecoder
from app.images.geometry import build_processor

SAMPLES = Path(__file__).parents[3] / "app" / "demo" / "samples"
ENGINES: list[tuple[EngineName, Precision]] = [
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("compile", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
]
CLOSE: dict[Precision, float] = {"fp32": 1e-4, "bf16": 2e-2}
"""Largest difference of a probability from fp32 eager."""


@pytest.fixture(scope="module")
def source() -> EngineInput:
    """The bundled checkpoint, to build engines from."""
    checkpoint = open_checkpoint("bundled")
    return EngineInput(checkpoint, *load_processor(checkpoint.processor_folder))


@pytest.fixture(scope="module", params=ENGINES, ids="-".join)
def kind(request: pytest.FixtureRequest) -> tuple[EngineName, Precision]:
    """Each engine in each precision."""
    return cast("tuple[EngineName, Precision]", request.param)


@pytest.fixture(scope="module")
def folder(kind: tuple[EngineName, Precision], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint, or one layer of it where each takes half a minute to compile."""
    if kind[0] != "compile":
        return BUNDLED
    folder = tmp_path_factory.mktemp("one-layer")
    AutoModelForImageClassification.from_pretrained(BUNDLED, num_hidden_layers=1).save_pretrained(
        folder
    )
    shutil.copy(BUNDLED / PROCESSOR_CONFIG, folder)
    return folder


@pytest.fixture(scope="module")
def engine(kind: tuple[EngineName, Precision], folder: Path) -> Engine:
    """Each engine in each precision that this machine has."""
    name, precision = kind
    try:
        checkpoint = open_checkpoint(str(folder))
        return build_engine(checkpoint, EngineOptions("cpu", name, precision))[0]
    except SettingsError as exc:
        if precision == "bf16" and "this CPU lacks it" in str(exc):
            pytest.skip(str(exc))
        raise


@pytest.fixture(scope="module")
def pixels(source: EngineInput) -> Pixels:
    """The 20 samples as pixels."""
    process = build_processor(source.geometry, 10**6)
    decoder = ImageDecoder(10**6, 10**6)
    images = [decoder.decode(path.read_bytes()) for path in sorted(SAMPLES.glob("*.png"))]
    return cast("Pixels", np.stack([process(image) for image in images]))


@pytest.fixture(scope="module")
def expected(source: EngineInput, folder: Path, pixels: Pixels) -> torch.Tensor:
    """What fp32 eager gives for the samples, by transformers alone."""
    module = AutoModelForImageClassification.from_pretrained(folder).eval()
    scaling = source.scaling
    mean, std = (torch.tensor(part)[:, None, None] for part in (scaling.mean, scaling.std))
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2) * (scaling.factor or 1)
    with torch.inference_mode():
        scores: torch.Tensor = module(pixel_values=(values - mean) / std).logits.softmax(-1)
    return scores


def test_an_engine_is_what_was_asked_for(engine: Engine, request: pytest.FixtureRequest) -> None:
    """It says its name and precision, and where it runs."""
    assert f"{engine.name}-{engine.precision}" in request.node.name
    assert engine.device == "cpu"
    assert engine.slots >= 1


def test_an_engine_gives_what_fp32_eager_gives(
    engine: Engine, pixels: Pixels, expected: torch.Tensor
) -> None:
    """The same labels on the samples; probabilities within what the precision allows."""
    logits = engine.run(pixels)
    assert logits.shape == (20, 10)
    assert logits.dtype == np.float32
    scores = torch.from_numpy(logits).softmax(-1)
    assert scores.argmax(-1).tolist() == expected.argmax(-1).tolist()
    assert (scores - expected).abs().max() <= CLOSE[engine.precision]


def test_an_engine_takes_every_batch_size(engine: Engine, pixels: Pixels) -> None:
    """Whatever the batch, an image gets its own logits."""
    whole = engine.run(pixels)
    for size in (1, 2, 7):
        np.testing.assert_allclose(
            engine.run(pixels[:size]), whole[:size], atol=10 * CLOSE[engine.precision]
        )


def test_logits_are_the_callers_own(engine: Engine, pixels: Pixels) -> None:
    """The next batch leaves the last one's logits as they are."""
    first = engine.run(pixels[:2])
    kept = first.copy()
    engine.run(pixels[2:4])
    np.testing.assert_array_equal(first, kept)


def test_threads_do_not_change_what_comes_out(engine: Engine, pixels: Pixels) -> None:
    """On one thread or two, the labels are the same."""
    answers = []
    for count in (2, 1):
        engine.set_threads(count)
        answers.append(engine.run(pixels).argmax(-1).tolist())
    assert answers[0] == answers[1]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_openvino_shares_a_batch_out_whatever_its_size(
    count: int, source: EngineInput, pixels: Pixels
) -> None:
    """Each image has its own logits, on more threads than there are cores or images too."""
    engine = cast("OpenvinoEngine", build_engine(source.checkpoint, EngineOptions("cpu"))[0])
    engine.set_threads(1)
    alone = np.concatenate([engine.run(image[None]) for image in pixels])
    engine.set_threads(count)
    for size in range(1, 13):
        np.testing.assert_allclose(engine.run(pixels[:size]), alone[:size], 1e-4, 1e-4)


def test_a_batch_that_fails_leaves_the_next_ones_sound(source: EngineInput, pixels: Pixels) -> None:
    """It is raised once all threads have ended."""
    engine = cast("OpenvinoEngine", build_engine(source.checkpoint, EngineOptions("cpu"))[0])
    engine.set_threads(2)
    expected = engine.run(pixels[:5])
    with pytest.raises(RuntimeError):
        engine.run(pixels[:4, :9])
    np.testing.assert_allclose(engine.run(pixels[:5]), expected, 1e-4, 1e-4)


def test_auto_takes_openvino_where_it_is_installed(
    source: EngineInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO in fp32 where it is there, torch in fp32 else."""
    assert isinstance(build_engine(source.checkpoint, EngineOptions("cpu"))[0], OpenvinoEngine)
    monkeypatch.setattr(selection, "find_spec", lambda _package: None)
    engine, _ = build_engine(source.checkpoint, EngineOptions("cpu"))
    assert isinstance(engine, CpuEngine)
    assert (engine.name, engine.precision) == ("torch", "fp32")


def test_a_conversion_that_gives_other_logits_is_not_taken(
    source: EngineInput, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenVINO is compared with torch on another batch; auto then selects torch, with a warning."""
    monkeypatch.setitem(TOLERANCE, "fp32", -1.0)  # nothing is as near as that
    with caplog.at_level(logging.WARNING, "vitrine"):
        engine, _ = build_engine(source.checkpoint, EngineOptions("cpu"))
    assert engine.name == "torch"
    assert "other logits than torch" in caplog.text
    with pytest.raises(CheckpointError, match="Set VITRINE_ENGINE=torch"):
        build_engine(source.checkpoint, EngineOptions("cpu", "openvino"))


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (EngineOptions("cpu", "torch", "fp16"), "VITRINE_PRECISION=fp16 needs a GPU"),
        (EngineOptions("cpu", "torch", "int8"), "Run `vitrine quantize"),
        (EngineOptions("cpu", "openvino", "int8"), "Run `vitrine quantize"),
    ],
)
def test_a_precision_that_cannot_be_is_refused(
    source: EngineInput, choice: EngineOptions, said: str
) -> None:
    """The error names what is missing, and what to set."""
    with pytest.raises(SettingsError, match=said):
        build_engine(source.checkpoint, choice)


@pytest.mark.parametrize("package", ["openvino", "c++"])
def test_an_engine_that_is_not_installed_is_refused(
    package: Literal["openvino", "c++"], source: EngineInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO without its package and compile without a compiler say what to install."""
    name: EngineName = "openvino" if package == "openvino" else "compile"
    monkeypatch.setattr(selection, "find_spec", lambda _package: None)
    monkeypatch.setattr("shutil.which", lambda _command: None)
    with pytest.raises(SettingsError, match=r"Run `pip install|Install one"):
        build_engine(source.checkpoint, EngineOptions("cpu", name))


class Overflow:
    """An engine in half precision whose numbers grow too large for one image."""

    name: EngineName = "torch"
    precision: Precision = "fp16"
    device = "cpu"
    slots = 1

    def run(self, pixels: Pixels) -> Logits:
        """Give infinity for a white image."""
        logits = np.zeros((len(pixels), 10), np.float32)
        logits[pixels.min((1, 2, 3)) == 255] = np.inf
        return logits

    def set_threads(self, count: int) -> None:
        """Take any number."""


def test_what_half_precision_cannot_express_runs_in_fp32(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A batch with a number that is not finite runs again in fp32, is counted and logged."""
    model = Model(open_checkpoint("bundled"), EngineOptions("cpu", "torch", "fp32"))
    exact = model.engine
    model.engine = Overflow()
    white, black = (np.full((1, 32, 32, 3), value, np.uint8) for value in (255, 0))
    with caplog.at_level(logging.WARNING, "vitrine"):
        assert not model.forward(black).any()
        assert model.overflows == 0
        np.testing.assert_allclose(model.forward(white), exact.run(white), atol=1e-5)
    assert model.overflows == 1
    assert "not finite" in caplog.text
