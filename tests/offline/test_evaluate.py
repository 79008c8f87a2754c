"""`vitrine evaluate`: what it says of the bundled samples, its files, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.classifier.checkpoint.files import CONFIG
from app.cli.main import main
from app.errors import DatasetError
from app.offline.label_match import match_labels
from tests.support import checkpoints
from tests.support.service import SAMPLES

BUNDLED = SAMPLES.parent / "checkpoint"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """The bundled samples in folders of their labels, one of them in a wrong one."""
    root = tmp_path / "digits"
    for sample in sorted(SAMPLES.glob("*.png")):
        folder = root / ("3" if sample.name == "8-1.png" else sample.name[0])
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample, folder)
    return root


def evaluate(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path, expected: int = 0
) -> dict[str, object]:
    """Run the command to its end, and read its JSON."""
    assert main(["evaluate", "--json", *map(str, arguments)]) == expected
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert isinstance(found, dict)
    return found


def test_an_evaluation_tells_each_image_that_is_wrong(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one image in a wrong folder is the one mistake, in all files."""
    out = tmp_path / "deep" / "out"
    found = evaluate(capsys, dataset, "--out", out)
    assert (found["images"], found["accuracy"], found["problems"]) == (20, 0.95, {})
    assert found["confusions"] == [{"label": "3", "predicted": "8", "images": 1}]
    assert found["engine"] == "openvino fp32"
    assert json.loads((out / "metrics.json").read_text()) == found
    rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert [row["path"] for row in rows if row["label"] != row["predicted"]] == [
        f"{dataset}/3/8-1.png"
    ]
    text = (out / "report.html").read_text()
    assert "3 taken for 8" in text
    assert text.count("data:image/jpeg") == 1 + 20
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_evaluation_is_what_predict_says(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each score equals that of `vitrine predict`."""
    evaluate(capsys, dataset, "--out", tmp_path / "out")
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    rows = {Path(row["path"]).name: row for row in map(json.loads, lines)}
    files = sorted(SAMPLES.glob("*.png"))
    assert main(["predict", "--json", *map(str, files)]) == 0
    for line in capsys.readouterr().out.splitlines():
        answer = json.loads(line)
        best, row = answer["predictions"][0], rows[Path(answer["file"]).name]
        assert row["predicted"] == best["label"]
        assert row["score"] == pytest.approx(best["score"], abs=1e-5)


def test_the_table_names_all_that_matters(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json and --out there is a table alone; a problem is told and counted."""
    (dataset / "4" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert main(["evaluate", str(dataset)]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    for part in (
        "20 scored, 1 with a problem",
        "accuracy 95.00%",
        "top 5",
        "ECE 0.0",
        "images/s",
        "label images precision recall F1 8 1 0.5000 1.0000 0.6667",
        "label taken for images 3 8 1",
        "problems: 1 Undecodable image",
    ):
        assert part in shown


def test_a_table_of_bytes_is_evaluated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Parquet file with labels by id, a row without an image, and one that is none."""
    files = sorted(SAMPLES.glob("*.png"))
    images = [*(path.read_bytes() for path in files), None, b"no image"]
    labels = [*(int(path.name[0]) for path in files), 1, 2]
    pq.write_table(pa.table({"picture": images, "digit": labels}), tmp_path / "t.parquet")
    columns = ("--column", "picture", "--label-column", "digit")
    out = tmp_path / "out"
    found = evaluate(capsys, tmp_path / "t.parquet", *columns, "--out", out, expected=1)
    assert (found["images"], found["accuracy"]) == (20, 1)
    assert found["problems"] == {"Invalid request": 1, "Unsupported media type": 1}
    rows = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert rows[-2]["problem"]["detail"].endswith(
        "t.parquet#20 cannot be read: row 20 has no image."
    )
    assert (out / "report.html").read_text().count("data:image/jpeg") == 20


def test_a_model_with_other_scores_has_no_temperature(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sigmoid scores are measured, and temperature scaling does not apply."""
    folder = checkpoints.copy_checkpoint(BUNDLED, tmp_path / "model")
    checkpoints.edit_json(folder / CONFIG, problem_type="multi_label_classification")
    found = evaluate(capsys, dataset, "--model", folder, "--out", tmp_path / "out")
    assert (found["accuracy"], found["temperature"], found["ece"]) == (0.95, None, None)
    assert "does not apply" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda root: (root / "3").rename(root / "cat"),
            "1 of the dataset's 10 labels are none of",
        ),
        (
            lambda root: (root / "3").rename(root / "10"),
            "none of the model's: '10'. The model has 10",
        ),
        (shutil.rmtree, "does not exist"),
    ],
)
def test_a_dataset_that_does_not_fit_is_refused(
    dataset: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path], object],
    said: str,
) -> None:
    """One line that says how to fix it, and exit code 2."""
    change(dataset)
    assert main(["evaluate", str(dataset)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_images_that_all_fail_are_no_evaluation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first problem is told, and nothing is written."""
    (tmp_path / "data" / "3").mkdir(parents=True)
    (tmp_path / "data" / "3" / "a.png").write_bytes(b"")
    assert main(["evaluate", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 2
    assert "None of 1 images could be scored. The first one: The image is empty" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--out must not exist yet; that is known before the dataset is looked at."""
    assert main(["evaluate", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "known", "ids"),
    [
        (["dog", "cat", "dog"], ["cat", "dog", "cow"], [1, 0, 1]),
        (["1", "0"], ["cat", "dog"], [1, 0]),
        (["1", "0"], ["1", "0"], [0, 1]),
        (["1"], ["1", "1 "], [0]),
    ],
)
def test_labels_are_matched_by_name_and_else_by_id(
    found: list[str], known: list[str], ids: list[int]
) -> None:
    """Names come first, also where they are numbers; ids count where all labels are ids."""
    np.testing.assert_array_equal(match_labels(found, known), ids)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (["1", "cat"], "1 of the dataset's 2 labels are none of the model's: '1'"),
        (["2"], "'2'. The model has 2"),
        (["9" * 10_000], "\u2026'"),
        (["a\n\x1b[31m"], "'a\ufffd\ufffd\\[31m'"),
    ],
)
def test_labels_that_do_not_fit_are_named(found: list[str], said: str) -> None:
    """The first of them, short and without control characters."""
    with pytest.raises(DatasetError, match=said):
        match_labels(found, ["cat", "dog"])
    with pytest.raises(DatasetError, match="more than one label named 'cat'"):
        match_labels(["cat"], ["cat", "cat"])
