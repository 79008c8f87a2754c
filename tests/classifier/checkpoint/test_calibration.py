"""`calibration.json` beside the weights: when it is read, what it changes, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.classifier.checkpoint.calibration import CALIBRATION, MAX_BYTES
from app.classifier.checkpoint.files import CONFIG, is_unchanged, open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.errors import CheckpointError
from tests.support.checkpoints import SIDE, edit_json, load_model


def calibrate(folder: Path, text: str = '{"temperature": 1.5, "ece_before": 0.1}') -> Path:
    """Write a calibration; gives its path."""
    path = folder / CALIBRATION
    path.write_text(text)
    return path


def fail(folder: Path) -> str:
    """Fail to open a calibrated checkpoint; gives the message, which must be one line."""
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(str(folder), is_calibrated=True)
    message = str(caught.value)
    assert "\n" not in message
    assert "VITRINE_CALIBRATION" in message
    return message


def test_the_temperature_is_read_where_it_is_asked_for(folder: Path) -> None:
    """Off by default: then the file may say what it will."""
    calibrate(folder)
    assert open_checkpoint(str(folder)).temperature == 1
    assert open_checkpoint(str(folder), is_calibrated=True).temperature == 1.5
    calibrate(folder, "nonsense")
    assert open_checkpoint(str(folder)).temperature == 1


def test_the_revision_follows_the_calibration_where_it_is_used(folder: Path) -> None:
    """Other scores, another revision; where it is off the file changes nothing."""
    plain = open_checkpoint(str(folder)).revision
    calibrate(folder)
    assert open_checkpoint(str(folder)).revision == plain
    revisions = {plain, open_checkpoint(str(folder), is_calibrated=True).revision}
    calibrate(folder, '{"temperature": 1.6}')
    revisions.add(open_checkpoint(str(folder), is_calibrated=True).revision)
    assert len(revisions) == 3


def test_a_later_calibration_leaves_the_model_as_it_is(folder: Path) -> None:
    """A converted model in the cache, and an explainer, go by the digest: it stays the same."""
    before = open_checkpoint(str(folder))
    calibrate(folder)
    assert is_unchanged(before)
    assert open_checkpoint(str(folder), is_calibrated=True).digest == before.digest


def test_a_model_tells_its_temperature(folder: Path) -> None:
    """The classifier describes it to the ingress, and gives the same logits."""
    calibrate(folder)
    plain = load_model(folder)
    model = Model(open_checkpoint(str(folder), is_calibrated=True), EngineOptions("cpu"))
    assert (plain.description.temperature, model.description.temperature) == (1, 1.5)
    pixels = np.full((1, SIDE, SIDE, 3), 99, np.uint8)
    np.testing.assert_array_equal(model.forward(pixels), plain.forward(pixels))


def test_a_checkpoint_without_calibration_is_told(folder: Path) -> None:
    """No file, or something else of that name."""
    assert f"has no {CALIBRATION}. `vitrine tune` writes one" in fail(folder)
    (folder / CALIBRATION).mkdir()
    assert f"has no {CALIBRATION}" in fail(folder)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_only_softmax_has_a_temperature(problem: str, folder: Path) -> None:
    """Scores of labels that do not exclude each other are no shares of one."""
    calibrate(folder)
    edit_json(folder / CONFIG, problem_type=problem)
    assert "has no softmax: its activation is" in fail(folder)


@pytest.mark.parametrize(
    "value",
    ["0", "-1", "NaN", "Infinity", "1e999", "1e-9", "1001", '"1.5"', "true", "null", "[1.5]", "{}"],
)
def test_a_temperature_is_a_finite_positive_number(value: str, folder: Path) -> None:
    """Anything else is refused, with the file's name."""
    path = calibrate(folder, f'{{"temperature": {value}}}')
    assert fail(folder).startswith(f"{path} has no temperature that is a number from 0.001 to 1000")


@pytest.mark.parametrize(
    "text", ["", "[1.5]", "1.5", "{}", "{", "[" * 100_000, "\udcff", f"{' ' * MAX_BYTES}{{}}"]
)
def test_a_file_that_is_no_calibration_is_told(text: str, folder: Path) -> None:
    """Whatever its bytes are, and however many."""
    path = folder / CALIBRATION
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert fail(folder).startswith(f"{path} ")


def test_the_largest_and_smallest_temperature_are_read(folder: Path) -> None:
    """Both bounds are allowed, and whole numbers are numbers."""
    for value in (0.001, 1000, 2):
        calibrate(folder, json.dumps({"temperature": value}))
        assert open_checkpoint(str(folder), is_calibrated=True).temperature == value
