"""`vitrine explain`, run as a user runs it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.cli.main import main
from schemas import ExplainResponse
from tests.support.checkpoints import copy_checkpoint, edit_json

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "app" / "demo" / "samples" / "7-0.png"


@pytest.fixture(autouse=True)
def _cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on torch, which needs no conversion."""
    monkeypatch.setenv("VITRINE_ENGINE", "torch")
    monkeypatch.setenv("VITRINE_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "300")


def read_answer(path: Path) -> ExplainResponse:
    """Read an answer, in the types of the API."""
    return ExplainResponse.model_validate_json(path.read_bytes())


def test_a_file_gets_a_picture_and_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The picture has the image's size and differs from it; the numbers are an API's answer."""
    out = tmp_path / "new" / "out"
    assert main(["explain", str(SAMPLE), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["7-0.json", "7-0.png"]
    answer = read_answer(out / "7-0.json")
    assert [one.label for one in answer.explanations] == ["7"]
    assert answer.method == "gradient_attention"
    assert np.shape(answer.explanations[0].relevance) == (8, 8)
    with Image.open(SAMPLE) as image, Image.open(out / "7-0.png") as drawn:
        assert drawn.size == image.size
        assert drawn.convert("RGB").tobytes() != image.convert("RGB").tobytes()
    assert str(out / "7-0.png") in capsys.readouterr().out


def test_one_bad_file_does_not_stop_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its row has the error, the exit code is 1, and nothing is written for it."""
    bad = tmp_path / "bad.png"
    bad.write_text("no image")
    files = [str(bad), str(tmp_path / "nowhere.png"), str(SAMPLE)]
    assert main(["explain", *files, "--out", str(tmp_path / "out")]) == 1
    table = " ".join(capsys.readouterr().out.split())  # a narrow terminal breaks its lines
    assert "Unsupported media type" in table
    assert "No such" in table
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["7-0.json", "7-0.png"]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """Of the same name from two folders the second gets a number; so does a second run."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        shutil.copy(SAMPLE, tmp_path / name / "7-0.png")
    files = [str(tmp_path / name / "7-0.png") for name in ("one", "two")]
    assert main(["explain", *files, "--out", str(tmp_path / "one")]) == 0
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["7-0-2.json", "7-0-2.png", "7-0-3.json", "7-0-3.png", "7-0.png"]
    assert (tmp_path / "one" / "7-0.png").read_bytes() == SAMPLE.read_bytes()


def test_several_labels_get_a_picture_each(tmp_path: Path) -> None:
    """They share one file of numbers, in their order; one that is given twice counts once."""
    arguments = ["--label", "7", "--label", "1", "--label", "7", "--method", "occlusion"]
    assert main(["explain", str(SAMPLE), "--out", str(tmp_path), *arguments]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["7-0-1.png", "7-0-7.png", "7-0.json"]
    answer = read_answer(tmp_path / "7-0.json")
    assert [one.label_id for one in answer.explanations] == [7, 1]
    assert answer.method == "occlusion"
    assert json.loads((tmp_path / "7-0.json").read_text())["layers"] is None


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model with other names: class0 to class8, and the last one is called 3."""
    folder = tmp_path_factory.mktemp("named") / "model"
    copy_checkpoint(ROOT / "app/demo/checkpoint", folder)
    names = [*(f"class{label_id}" for label_id in range(9)), "3"]
    edit_json(
        folder / "config.json",
        id2label={str(label_id): name for label_id, name in enumerate(names)},
        label2id={name: label_id for label_id, name in enumerate(names)},
    )
    return folder


@pytest.mark.parametrize(
    ("label", "label_id"), [("class7", 7), ("7", 7), ("07", 7), ("0", 0), ("3", 9), ("9", 9)]
)
def test_a_label_is_given_by_name_or_id(
    named: Path, tmp_path: Path, label: str, label_id: int
) -> None:
    """Digits that are no name are an id."""
    arguments = ["--model", str(named), "--out", str(tmp_path), "--label", label]
    assert main(["explain", str(SAMPLE), *arguments]) == 0
    (one,) = read_answer(tmp_path / "7-0.json").explanations
    assert one.label_id == label_id


@pytest.mark.parametrize("label", ["seven", "Class7", "10", "-1", "1.0", "²", "", "9" * 5000])
def test_an_unknown_label_is_told_before_anything_is_written(
    named: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], label: str
) -> None:
    """In one line of standard error, with what there is instead, and exit code 2."""
    out = tmp_path / "out"
    arguments = ["--model", str(named), "--out", str(out), f"--label={label}"]
    assert main(["explain", str(SAMPLE), *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"vitrine: --label: {label[:100]!r} is no label of this model, neither by name nor by id. "
        "It has 10 (class0, class1, class2, class3, class4, …), with ids 0 to 9."
    )
    assert not out.exists()


def test_a_folder_that_cannot_be_made_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as one below a file."""
    (tmp_path / "file").write_text("")
    assert main(["explain", str(SAMPLE), "--out", str(tmp_path / "file" / "out")]) == 2
    assert "Give another --out" in capsys.readouterr().err
