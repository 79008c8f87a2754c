"""The whole pipeline on the handwritten digits: tune, serve, predict, score, evaluate, reload."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from app.classifier.checkpoint.snapshot import SNAPSHOT
from app.settings import Settings
from app.training.options import TuneOptions
from app.training.tune import tune_model
from tests.support.checkpoints import edit_json
from tests.support.service import Service, run_cli, start_service
from tools.train_digits.__main__ import write_untrained
from tools.train_digits.digits import split_digits, write_dataset

Rows = dict[str, dict[str, Any]]
"""Rows of a table by the path of their image."""

DIGITS = [str(digit) for digit in range(10)]

EPOCHS, MIN_ACCURACY = 14, 0.9
"""Enough to tell a pipeline that learns from one that does not; `make demo` trains for longer."""


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as an image folder, with a fifth held out."""
    folder = tmp_path_factory.mktemp("digits")
    write_dataset(folder, split_digits())
    return folder


@pytest.fixture(scope="module")
def run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was tuned on them."""
    work = tmp_path_factory.mktemp("work")
    write_untrained(work / "untrained")
    options = TuneOptions(
        str(digits),
        work / "run",
        base=str(work / "untrained"),
        epochs=EPOCHS,
        rate=2e-3,
        batch_size=64,
        augment="light",
    )
    outcome = tune_model(Settings(model="bundled"), options, print)
    assert outcome.best.metrics.accuracy >= MIN_ACCURACY
    return options.out


@pytest.fixture(scope="module")
def rows(digits: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """What `vitrine score` makes of the held-out fifth, by path."""
    out = tmp_path_factory.mktemp("score") / "out"
    done = run_cli("score", str(digits / "holdout"), "--out", str(out), model=str(run))
    assert done.returncode == 0, done.stderr
    found = pq.read_table(out / "rows").to_pylist()
    assert len(found) == len(list(digits.glob("holdout/*/*.png")))
    return {row["path"]: row for row in found}


def test_a_run_is_served_as_it_is_and_scores_the_same(
    digits: Path, run: Path, rows: Rows, tmp_path: Path
) -> None:
    """`vitrine serve` takes the run's folder, and answers what `vitrine score` has written."""
    paths = sorted(digits.glob("holdout/*/*.png"))[::18]
    with start_service(tmp_path, model=str(run)) as service:
        service.wait_until_ready()
        for path in paths:
            image = {"file": path.read_bytes()}
            answer = httpx.post(f"{service.url}/predict", files=image, timeout=30).json()
            best, row = answer["predictions"][0], rows[str(path)]
            assert (best["label"], answer["model"]["revision"]) == (row["label"], row["revision"])
            assert best["score"] == pytest.approx(row["score"], abs=1e-5)
        service.assert_stops()
    assert len(paths) == 20


def test_a_reload_takes_the_checkpoint_that_is_best_by_then(run: Path, tmp_path: Path) -> None:
    """SIGUSR1 reads the snapshot of the run anew, also where a metric chooses."""
    grown = shutil.copytree(run, tmp_path / "run")
    with start_service(tmp_path, model=str(grown), checkpoint="best:epoch") as service:
        service.wait_until_ready()
        assert read_labels(service) == DIGITS
        add_checkpoint(grown, epoch=EPOCHS + 1)
        assert read_labels(service) == DIGITS
        service.process.send_signal(signal.SIGUSR1)
        service.wait_for_log("1 of 1 classifiers loaded", timeout_s=60)
        assert read_labels(service) == [f"new {digit}" for digit in DIGITS]
        service.assert_stops()


def read_labels(service: Service) -> list[str]:
    """Read the labels that a service knows."""
    answer = httpx.get(f"{service.url}/labels", timeout=30).raise_for_status().json()
    return [one["label"] for one in answer["labels"]]


def add_checkpoint(run: Path, epoch: int) -> None:
    """Add a checkpoint to a run: the latest one with other names of its labels."""
    (path,) = run.rglob(SNAPSHOT)
    snapshot = json.loads(path.read_text())
    latest = snapshot["latest_checkpoint_result"]
    copy = shutil.copytree(path.parent / latest["checkpoint_dir_name"], path.parent / "added")
    names = {str(index): f"new {digit}" for index, digit in enumerate(DIGITS)}
    edit_json(copy / "config.json", id2label=names)
    added = latest | {"checkpoint_dir_name": copy.name, "metrics": {"epoch": epoch}}
    indices = snapshot["checkpoint_report_indices"]
    snapshot["checkpoint_results"].append(added)
    indices.append(max(indices) + 1)
    path.write_text(json.dumps(snapshot | {"latest_checkpoint_result": added}))


def test_evaluate_counts_what_score_has_written(digits: Path, run: Path, rows: Rows) -> None:
    """The accuracy of `vitrine evaluate` is the share of rows whose label is that of the folder."""
    done = run_cli("evaluate", str(digits), "--json", model=str(run))
    right = sum(row["label"] == Path(path).parent.name for path, row in rows.items())
    assert json.loads(done.stdout)["accuracy"] == pytest.approx(right / len(rows))
    assert right / len(rows) >= MIN_ACCURACY
