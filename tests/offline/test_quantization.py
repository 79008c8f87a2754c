"""`vitrine quantize`: an int8 checkpoint that VITRINE_MODEL takes, and what it refuses."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.classifier.checkpoint.calibration import CALIBRATION
from app.classifier.checkpoint.files import (
    BUNDLED,
    CONFIG,
    PROCESSOR_CONFIG,
    QUANTIZED,
    open_checkpoint,
)
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.cli.main import main
from app.errors import CheckpointError, SettingsError, StartupError
from app.offline.quantization import Comparison, list_results, quantize_checkpoint
from app.settings import Settings
from tests.support.service import SAMPLES


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled checkpoint, quantized on its samples."""
    folder = tmp_path_factory.mktemp("out") / "int8"
    comparison = quantize_checkpoint(Settings(), SAMPLES, folder, 0.99)
    assert (comparison.calibrated, comparison.compared) == (15, 5)
    assert comparison.agreement == 1
    assert 0 < comparison.max_difference < 0.1
    return folder


def test_what_was_quantized_is_to_be_judged_and_served() -> None:
    """The agreement with fp32 is none with the truth, so `vitrine evaluate` is named."""
    lines = list_results(Comparison(15, 5, 0.8, 0.01), Path("my int8"))
    assert "same label     80.00%" in lines
    assert "judge it with  vitrine evaluate DATASET --model 'my int8'" in lines
    assert lines[-1] == "serve it with  VITRINE_MODEL='my int8'"


def copy(folder: Path, to: Path) -> Path:
    """Copy a checkpoint, to spoil it."""
    shutil.copytree(folder, to)
    return to


def test_a_quantized_checkpoint_is_served_in_int8(quantized: Path) -> None:
    """It is a checkpoint as any other, with the labels of its original."""
    model = Model(open_checkpoint(str(quantized)))
    assert model.description.engine == "openvino int8"
    assert model.description.labels == tuple("0123456789")
    pixels = np.zeros((3, 32, 32, 3), np.uint8)
    assert model.forward(pixels).shape == (3, 10)


def test_a_calibration_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The temperature of fp32 goes along, for VITRINE_CALIBRATION; the log says whose it is."""
    folder = copy(BUNDLED, tmp_path / "digits")
    (folder / CALIBRATION).write_text('{"temperature": 1.5}')
    settings = Settings(model=str(folder), calibration="temperature")
    with caplog.at_level(logging.INFO, logger="vitrine.quantize"):
        quantize_checkpoint(settings, SAMPLES, tmp_path / "int8", 0.5)
    assert "is that of fp32" in caplog.text
    assert open_checkpoint(str(tmp_path / "int8"), is_calibrated=True).temperature == 1.5


def test_a_quantized_checkpoint_names_every_sample(
    quantized: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """int8 gives the right label for each of the samples."""
    files = sorted(SAMPLES.glob("*.png"))
    assert main(["predict", "--json", "--model", str(quantized), *map(str, files)]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    labels = [answer["predictions"][0]["label"] for answer in answers]
    assert labels == [file.name[0] for file in files]


@pytest.mark.parametrize(
    "choice",
    [EngineOptions("cpu", "torch"), EngineOptions("cpu", "auto", "fp32"), EngineOptions("cuda")],
)
def test_a_quantized_checkpoint_runs_on_one_engine(quantized: Path, choice: EngineOptions) -> None:
    """Another engine, precision or device is refused, with what to set."""
    with pytest.raises(SettingsError, match="is quantized: it runs with"):
        Model(open_checkpoint(str(quantized)), choice)


@pytest.mark.parametrize("labels", [["cat", "dog"], [f"{digit}!" for digit in range(10)]])
def test_a_quantized_checkpoint_of_other_labels_is_refused(
    quantized: Path, tmp_path: Path, labels: list[str]
) -> None:
    """A config.json with more, fewer or other labels does not fit the file beside it."""
    folder = copy(quantized, tmp_path / "other")
    config = json.loads((folder / CONFIG).read_text())
    config["id2label"] = {str(index): label for index, label in enumerate(labels)}
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"made for other labels .* Run"):
        open_checkpoint(str(folder))


def test_a_quantized_checkpoint_of_another_size_is_refused(quantized: Path, tmp_path: Path) -> None:
    """A processor that gives another size does not fit the file beside it."""
    folder = copy(quantized, tmp_path / "other")
    processor = json.loads((folder / PROCESSOR_CONFIG).read_text())
    processor["size"] = {"height": 40, "width": 40}
    (folder / PROCESSOR_CONFIG).write_text(json.dumps(processor))
    with pytest.raises(CheckpointError, match="made for 32 x 32 pixels"):
        Model(open_checkpoint(str(folder)))


def test_a_quantized_checkpoint_without_its_weights_is_refused(
    quantized: Path, tmp_path: Path
) -> None:
    """An incomplete copy is refused before anything starts."""
    folder = copy(quantized, tmp_path / "half")
    (folder / QUANTIZED).with_suffix(".bin").unlink()
    with pytest.raises(CheckpointError, match=r"has no vitrine_int8\.bin"):
        open_checkpoint(str(folder))


def test_a_damaged_quantized_checkpoint_is_refused(quantized: Path, tmp_path: Path) -> None:
    """Files that OpenVINO cannot read end in one line."""
    folder = copy(quantized, tmp_path / "damaged")
    (folder / QUANTIZED).write_text("<net/>")
    with pytest.raises(CheckpointError, match="Run `vitrine quantize` again"):
        Model(open_checkpoint(str(folder)))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    """A calibration folder with no readable image is refused, and nothing is written."""
    (tmp_path / "note.txt").write_text("no image")
    with pytest.raises(SettingsError, match=r"0 readable images \(1 files are not\)"):
        quantize_checkpoint(Settings(), tmp_path, tmp_path / "out", 0.99)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """--out must not exist yet."""
    with pytest.raises(SettingsError, match="does not exist yet"):
        quantize_checkpoint(Settings(), SAMPLES, tmp_path, 0.99)


def test_nothing_is_quantized_twice(quantized: Path, tmp_path: Path) -> None:
    """An int8 checkpoint is no source."""
    with pytest.raises(SettingsError, match="quantized already"):
        quantize_checkpoint(Settings(model=str(quantized)), SAMPLES, tmp_path / "out", 0.99)


def test_too_little_agreement_writes_nothing(tmp_path: Path) -> None:
    """Below the share that was asked for, the folder is not made."""
    with pytest.raises(StartupError, match="nothing was written"):
        quantize_checkpoint(Settings(), SAMPLES, tmp_path / "out", 1.01)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_reported_to_anyone(tmp_path: Path) -> None:
    """OpenVINO's telemetry, which is on by default, is not even imported; it leaves no id."""
    code = (
        "import sys; import app.classifier.engines.openvino, nncf; "
        "print(sys.modules['openvino_telemetry'])"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
    assert not (tmp_path / "intel").exists()
