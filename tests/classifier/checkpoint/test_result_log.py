"""The best checkpoint of a run of Ray Train V1, by the metrics of `result.json`."""

from pathlib import Path

import pytest

from app.classifier.checkpoint.result_log import RESULT_LOG
from tests.support.training_runs import fail, find, make_checkpoint

TRIAL = "DataParallelTrainer_e382b_00000_0_2026-11-27_20-34-08"
WRITTEN_BY_RAY = """\
{"epoch": 0, "accuracy": 0.5, "loss": 1.0, "eval": {"f1": 0.25}, "name": "x", \
"checkpoint_dir_name": "checkpoint_000000", "should_checkpoint": true, "done": false, "config": {}}
{"epoch": 1, "accuracy": 0.9, "loss": 0.5, "eval": {"f1": 0.45}, "name": "x", \
"checkpoint_dir_name": "checkpoint_000001", "should_checkpoint": true, "done": false, "config": {}}
{"epoch": 2, "accuracy": 0.7, "loss": NaN, "eval": {"f1": 0.35}, "name": "x", \
"checkpoint_dir_name": "checkpoint_000002", "should_checkpoint": true, "done": false, "config": {}}
{"epoch": 3, "accuracy": 0.95, "loss": Infinity, "eval": {"f1": 0.3}, "name": "x", \
"checkpoint_dir_name": null, "done": true, "config": {}}
"""
"""In the form that Ray 2.60.0 writes with RAY_TRAIN_V2_ENABLED=0, without times and processes; the
numbers are ours."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with one trial, whose first checkpoint was deleted."""
    for number in (1, 2):
        make_checkpoint(tmp_path / "run" / TRIAL / f"checkpoint_00000{number}")
    (tmp_path / "run" / TRIAL / RESULT_LOG).write_text(WRITTEN_BY_RAY)
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("best:accuracy", 1),
        ("best:min:accuracy", 2),
        ("best:loss", 1),
        ("best:min:loss", 1),
        ("best:epoch", 2),
        ("best:eval/f1", 1),
    ],
)
@pytest.mark.parametrize("level", ["..", ".", TRIAL])
def test_a_metric_chooses_in_a_run_of_v1(text: str, number: int, level: str, run: Path) -> None:
    """At each level; what reported no checkpoint, or one that is gone, is passed over."""
    assert find((run / level).resolve(), text).endswith(f"checkpoint_00000{number}")


def test_the_metrics_that_there_are_are_told(run: Path) -> None:
    """Numbers alone."""
    message = fail(run, "best:name")
    assert message.endswith("Their metrics are: accuracy, epoch, eval/f1, loss.")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[" * 100_000,
        "[1]",
        '{"accuracy": 9}',
        '{"accuracy": 9, "checkpoint_dir_name": 7}',
        '{"accuracy": 9, "checkpoint_dir_name": "../../outside"}',
        '{"accuracy": 9, "checkpoint_dir_name": "\\u0000"}',
    ],
)
def test_a_damaged_line_is_passed_over(line: str, run: Path) -> None:
    """As a run that was killed leaves one, or a forged one."""
    make_checkpoint(run.parent / "outside")
    (run / TRIAL / RESULT_LOG).write_text(f"{line}\n{WRITTEN_BY_RAY}{line}")
    assert find(run, "best:accuracy") == f"{TRIAL}/checkpoint_000001"
