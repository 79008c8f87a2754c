"""`vitrine tune` as a user runs it: real Ray Train, real files, and what becomes of a stop."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from PIL import Image

from app.classifier.checkpoint.files import open_checkpoint
from app.machine import count_cores
from app.training.run_folder import METRICS, REPORT, START, STATE, TRAINING_STATE
from tests.support.service import ROOT, default_sigint, make_environment
from tests.support.tuning import COLORS, write_colors

TIMEOUT_S = 240


class Done(NamedTuple):
    """A command that has ended."""

    code: int
    output: str
    errors: str


def tune(*arguments: object, prefix: tuple[str, ...] = ()) -> Done:
    """Run `vitrine tune` to its end; after `prefix`, a command that runs another."""
    command = [*prefix, sys.executable, "-m", "app.cli.main", "tune", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=make_environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def read_metrics(run: Path) -> list[dict[str, float]]:
    """Read the metrics of a run."""
    return [json.loads(line) for line in (run / METRICS).read_text("utf-8").splitlines()]


def wait_for_epoch(process: subprocess.Popen[str], number: int) -> None:
    """Read the output of a run until an epoch is shown."""
    assert process.stdout is not None
    deadline = time.monotonic() + TIMEOUT_S
    for line in process.stdout:
        assert time.monotonic() < deadline
        if line.startswith(f"epoch {number} of"):
            return
    pytest.fail("the run ended before")


def find_workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Find the workers of a run, among its own processes."""
    return [
        one
        for one in psutil.Process(process.pid).children(recursive=True)
        if "RayTrainWorker" in " ".join(one.cmdline())
    ]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of three colours, and a file that is none."""
    folder = write_colors(tmp_path_factory.mktemp("data") / "colors")
    (folder / "red" / "broken.png").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def finished(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A run that has ended, and what it printed."""
    run = tmp_path_factory.mktemp("runs") / "run 1"
    return run, tune(dataset, "--out", run, "--epochs", 6, "--augment", "light")


def test_three_words_give_a_run_that_is_served(finished: tuple[Path, Done]) -> None:
    """The command ends with the next one; the run opens, with the dataset's labels in order."""
    run, done = finished
    assert (done.code, done.errors) == (0, "")
    assert done.output.splitlines()[-1] == f"serve it: VITRINE_MODEL='{run}' vitrine serve"
    assert open_checkpoint(str(run)).labels == tuple(sorted(COLORS))


def test_colours_are_learned(finished: tuple[Path, Done]) -> None:
    """Every epoch has a line of metrics, and the last one is right."""
    metrics = read_metrics(finished[0])
    assert [one["epoch"] for one in metrics] == [1, 2, 3, 4, 5, 6]
    assert metrics[-1]["accuracy"] == 1.0
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"]


def test_a_bad_file_is_left_out_and_told(finished: tuple[Path, Done]) -> None:
    """It is named before training, with its kind, and again in the report."""
    run, done = finished
    assert "1 images are left out: 1 unsupported media type" in done.output
    assert "broken.png" in (run / REPORT).read_text("utf-8")


def test_what_is_kept_is_calibrated_and_tidy(finished: tuple[Path, Done]) -> None:
    """A kept checkpoint has a temperature, and nothing that only training needs."""
    run, _ = finished
    kept = sorted(run.glob("checkpoint_2*"))
    assert 1 <= len(kept) <= 2
    for folder in kept:
        calibration = json.loads((folder / "calibration.json").read_text())
        assert calibration["temperature"] > 0
        assert calibration["images"] == 7  # a fifth of 36
        assert not (folder / TRAINING_STATE).exists()
    assert not (run / START).exists()


def test_a_finished_run_is_not_trained_again(finished: tuple[Path, Done], dataset: Path) -> None:
    """The same command says that it is done, in one line."""
    done = tune(dataset, "--out", finished[0], "--epochs", 6, "--augment", "light")
    assert done.code == 2
    assert done.errors.count("\n") == 1
    assert "is finished" in done.errors


def test_a_stop_loses_no_epoch_and_leaves_no_process(dataset: Path, tmp_path: Path) -> None:
    """A killed worker, then Ctrl-C, then the same command: every epoch is there once."""
    options = (dataset, "--out", tmp_path / "run", "--epochs", 40, "--augment", "none")
    command = [sys.executable, "-m", "app.cli.main", "tune", *map(str, options)]
    errors = tmp_path / "errors"
    with default_sigint(), errors.open("w") as shown:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=make_environment(),
            stdout=subprocess.PIPE,
            stderr=shown,
            text=True,
            start_new_session=True,
        )
    with process:
        wait_for_epoch(process, 2)
        (worker,) = find_workers(process)
        worker.kill()
        wait_for_epoch(process, 4)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, errors.read_text()
        _, left = psutil.wait_procs(family, timeout=10)
        assert left == []
    before = read_metrics(tmp_path / "run")
    assert [one["epoch"] for one in before] == list(range(1, len(before) + 1))
    assert len(before) < 40
    refused = tune(dataset, "--out", tmp_path / "run", "--epochs", 9, "--augment", "none")
    assert (refused.code, "--epochs 40, not 9" in refused.errors) == (2, True)
    (tmp_path / "run" / METRICS).unlink()  # each checkpoint has them all
    assert tune(*options).code == 0
    after = read_metrics(tmp_path / "run")
    assert [one["epoch"] for one in after] == list(range(1, 41))
    assert after[: len(before) - 1] == before[:-1]


@pytest.mark.parametrize("epochs", [10, 2])
def test_a_learning_rate_that_breaks_the_loss_is_one_line(
    dataset: Path, tmp_path: Path, epochs: int
) -> None:
    """NaN ends the run at once, even if it comes of the very last step; it is not tried again."""
    options = ("--epochs", epochs, "--lr", "1e30", "--augment", "none")
    done = tune(dataset, "--out", tmp_path / "run", *options)
    assert done.code == 2
    assert "not a finite number" in done.errors
    assert done.errors.count("\n") == 1


@pytest.mark.parametrize("size", ["300k", "1500k"])
def test_a_full_disk_is_one_line(dataset: Path, tmp_path: Path, size: str) -> None:
    """The model to start from has no room, or the first checkpoint; with room the run goes on."""
    mount = f"mount -t tmpfs -o size={size} none {tmp_path}"
    grow = f"mount -o remount,size=64m {tmp_path}"
    script = f'{mount} && {{ "$@"; echo "exit code $?"; {grow} && exec "$@"; }}'
    prefix = ("unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh")
    done = tune(dataset, "--out", tmp_path / "run", "--epochs", 1, prefix=prefix)
    assert done.errors.startswith("vitrine: The disk is full")
    assert done.errors.count("\n") == 1
    full, _, again = done.output.partition("exit code 2\n")
    assert ("images to train on" in full) == (size != "300k")
    assert (done.code, "serve it: " in again) == (0, True)


def test_more_workers_than_cores_are_one_line(dataset: Path, tmp_path: Path) -> None:
    """Ray Train would wait for them forever."""
    done = tune(dataset, "--out", tmp_path / "run", "--workers", 1 + max(2, count_cores()))
    assert done.code == 2
    assert "this machine has room for" in done.errors
    assert done.errors.count("\n") == 1


def test_all_options_go_together_on_two_workers(dataset: Path, tmp_path: Path) -> None:
    """A run with all of them ends early, and is judged; tests/training has what each one does."""
    base = tmp_path / "base"
    base.symlink_to(ROOT / "app" / "demo" / "checkpoint")
    flags = "--class-weights --label-smoothing 0.1 --accumulate 2 --freeze 2 --patience 2"
    more = "--workers 2 --epochs 12 --lr 1e-9 --batch-size 8 --seed 3 --augment none"
    run = tmp_path / "run"
    done = tune(dataset, "--out", run, "--base", base, *flags.split(), *more.split())
    assert (done.code, done.errors) == (0, "")
    assert "with a new head for 3 labels" in done.output
    assert "stopped: the accuracy has not grown in 2 epochs" in done.output
    assert len(read_metrics(run)) < 12
    kept = json.loads((run / STATE).read_text())["options"]
    given: dict[str, object] = {
        "class_weights": True,
        "smoothing": 0.1,
        "accumulate": 2,
        "freeze": 2,
        "patience": 2,
    }
    given |= {"epochs": 12, "rate": 1e-9, "batch_size": 8, "seed": 3, "augment": "none"}
    assert kept == kept | given


def test_a_run_of_2023_is_read(tmp_path: Path) -> None:
    """What Ray Train V1 writes is served by its newest checkpoint."""
    command = [sys.executable, "-m", "tests.support.old_train_run"]
    bundled = str(ROOT / "app" / "demo" / "checkpoint")
    environment = os.environ | {"RAY_TRAIN_V2_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    subprocess.run(
        [*command, bundled, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=TIMEOUT_S,
        capture_output=True,
    )
    (trial,) = tmp_path.glob("TorchTrainer_*/TorchTrainer_*")
    newest = open_checkpoint(str(tmp_path))
    assert newest.labels[0] == "1-0"
    assert newest.folder == trial / "checkpoint_000001"


def test_pictures_of_a_table_are_tuned_on(tmp_path: Path) -> None:
    """A CSV of paths and labels is a dataset; the label's column is named."""
    folder = write_colors(tmp_path / "colors", 6, ("red", "blue"))
    rows = [
        f"colors/{path.relative_to(folder)},{path.parent.name}" for path in folder.rglob("*.png")
    ]
    table = tmp_path / "table.csv"
    table.write_text("file,colour\n" + "\n".join(rows) + "\n")
    Image.new("RGB", (4, 4)).save(tmp_path / "unused.png")
    done = tune(
        table, "--column", "file", "--label-column", "colour", "--out", tmp_path / "run",
        "--epochs", 1,
    )  # fmt: skip
    assert (done.code, done.errors) == (0, "")
    assert open_checkpoint(str(tmp_path / "run")).labels == ("blue", "red")
