"""The best checkpoint of a training run, by a metric of the snapshot that Ray Train V2 wrote."""

import logging
import os
from pathlib import Path

import pytest

from app.classifier.checkpoint.best_checkpoint import find_checkpoint
from app.classifier.checkpoint.choice import Choice, parse_choice
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.snapshot import SNAPSHOT
from app.errors import CheckpointError
from tests.support.checkpoints import copy_checkpoint
from tests.support.training_runs import fail, find, make_checkpoint, write_run

FIRST, THIRD, LAST = (
    f"checkpoint_2026-11-27_20-31-{second}" for second in ("37.757923", "40.670885", "42.682859")
)
WRITTEN_BY_RAY = """
{"ray_version":"2.60.0","checkpoint_results":[{"version":0,"checkpoint_dir_name":
"checkpoint_2026-11-27_20-31-42.682859","metrics":{"epoch":4,"accuracy":0.8,"loss":0.2,"inf":null,
"eval":{"f1":0.4},"name":"x","ok":true}},{"version":0,"checkpoint_dir_name":
"checkpoint_2026-11-27_20-31-37.757923","metrics":{"epoch":1,"accuracy":0.9,"loss":0.5,"inf":null,
"eval":{"f1":0.45},"name":"x","ok":true}},{"version":0,"checkpoint_dir_name":
"checkpoint_2026-11-27_20-31-40.670885","metrics":{"epoch":3,"accuracy":0.95,"loss":null,"inf":null,
"eval":{"f1":0.475},"name":"x","ok":true}}],"checkpoint_report_indices":[4,1,3],
"latest_checkpoint_result":{"version":0,"checkpoint_dir_name":"checkpoint_2026-11-27_20-31-42.682859",
"metrics":{"epoch":4,"accuracy":0.8,"loss":0.2,"inf":null,"eval":{"f1":0.4},"name":"x","ok":true}},
"pending_training_results":[],"pending_validation_specs":[],"current_report_index":5,
"validated_checkpoint_dir_names":[],"timed_out_validation_checkpoint_dir_names":[],
"failed_validation_checkpoint_dir_names":[]}
"""
"""By a DataParallelTrainer of Ray 2.60.0, of which the fourth epoch reported a loss of NaN and each
an infinite `inf`, and which kept the last checkpoint and the two with the best f1; only the line
breaks are ours."""


@pytest.fixture
def real_run(tmp_path: Path) -> Path:
    """The folders and the snapshot of a run that Ray made."""
    run = tmp_path / "ray_train_run"
    for name in (FIRST, THIRD, LAST):
        make_checkpoint(run / name)
    (run / SNAPSHOT).write_text(WRITTEN_BY_RAY)
    return run


@pytest.mark.parametrize(
    ("text", "metric", "is_min"),
    [
        ("newest", "", False),
        ("best:accuracy", "accuracy", False),
        ("best:max:accuracy", "accuracy", False),
        ("best:min:loss", "loss", True),
        ("best:eval/f1", "eval/f1", False),
        ("best:max:min:x", "min:x", False),
    ],
)
def test_a_choice_is_newest_or_best_by_a_metric(text: str, metric: str, *, is_min: bool) -> None:
    """The highest is the best, unless `min` says otherwise."""
    assert parse_choice(text) == Choice(text, metric, is_min)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("newest", LAST),
        ("best:accuracy", THIRD),
        ("best:min:accuracy", LAST),
        ("best:max:epoch", LAST),
        ("best:min:epoch", FIRST),
        ("best:eval/f1", THIRD),
        ("best:min:loss", LAST),
        ("best:loss", FIRST),
    ],
)
@pytest.mark.parametrize("level", [".", ".."])
def test_a_metric_chooses_in_a_run_that_ray_wrote(
    text: str, name: str, level: str, real_run: Path
) -> None:
    """In the run and in its storage folder; a NaN, which Ray writes as null, is never the best."""
    folder = real_run.parent if level == ".." else real_run
    assert find_checkpoint(folder, parse_choice(text)) == real_run / name


@pytest.mark.parametrize("metric", ["precision", "name", "ok", "inf", "eval", "eval/f2"])
def test_a_metric_that_is_no_number_is_told_with_those_that_are(
    metric: str, real_run: Path
) -> None:
    """One that was not reported, text, a truth value, infinity, or a group of metrics."""
    message = fail(real_run, f"best:{metric}")
    assert message.endswith("Their metrics are: accuracy, epoch, eval/f1, loss.")


def test_of_equal_values_the_newest_is_taken(tmp_path: Path) -> None:
    """A metric that has reached its bound does not go back to an early epoch."""
    write_run(tmp_path, {"accuracy": 1.0}, {"accuracy": 1}, {"accuracy": 0.5})
    assert find(tmp_path, "best:accuracy") == "epoch_1"


def test_a_checkpoint_without_the_metric_is_passed_over(tmp_path: Path) -> None:
    """Some epochs may not have been evaluated."""
    write_run(tmp_path, {"f1": 0.2}, {"loss": 3}, {}, None, "text", [1], {"f1": 0.1})
    assert find(tmp_path, "best:f1") == "epoch_0"


def test_a_checkpoint_that_was_deleted_is_not_the_best(tmp_path: Path) -> None:
    """The next best one that is there is taken, also where the model lies one level deeper."""
    write_run(tmp_path, {"f1": 0.9}, {"f1": 0.8}, {"f1": 0.1})
    (tmp_path / "epoch_0" / "config.json").unlink()
    (tmp_path / "epoch_1" / "config.json").unlink()
    make_checkpoint(tmp_path / "epoch_1" / "checkpoint")
    assert find(tmp_path, "best:f1") == "epoch_1/checkpoint"


def test_the_best_of_several_runs_is_taken(tmp_path: Path) -> None:
    """As of a search for parameters; of equal runs the one written last."""
    for age, (name, f1) in enumerate([("c", 0.5), ("b", 0.7), ("a", 0.7)]):
        run = write_run(tmp_path / name, {"f1": f1}, {"f1": 0.1})
        os.utime(run / SNAPSHOT, (10**9 - age, 10**9 - age))
    assert find(tmp_path, "best:f1") == "b/epoch_0"


def test_a_metric_chooses_from_runs_alone(vit: Path, tmp_path: Path) -> None:
    """A checkpoint itself, the bundled one and a Hub id have nothing to choose from."""
    write_run(tmp_path / "run", {"f1": 1})
    copy_checkpoint(vit, tmp_path / "run" / "mine")
    for model in ("bundled", str(tmp_path / "run" / "mine"), "google/vit-base-patch16-224"):
        with pytest.raises(CheckpointError, match=r"is a checkpoint, not a training run\. Unset"):
            open_checkpoint(model, choice="best:f1")


def test_the_log_says_which_and_by_what(
    vit: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line names the checkpoint, its metric and out of how many; the model is named alike."""
    run = tmp_path / "run"
    copy_checkpoint(vit, run / "epoch_1")
    (run / "epoch_1").rename(tmp_path / "kept")
    write_run(run, {"loss": 0.5}, {"loss": 0.25}, {"loss": 1})
    (run / "epoch_1" / "config.json").unlink()
    (run / "epoch_1").rmdir()
    (tmp_path / "kept").rename(run / "epoch_1")
    with caplog.at_level(logging.INFO, logger="vitrine.checkpoint"):
        checkpoint = open_checkpoint(str(run), choice="best:min:loss")
    (record,) = caplog.records
    wanted = f"checkpoint of {run} with the lowest loss (0.25), 1 of 3: {run / 'epoch_1'}"
    assert record.getMessage() == wanted
    assert checkpoint.id == "run/epoch_1"
