"""A damaged or forged record of a training run is passed over, or told in one line."""

import json
from pathlib import Path

import pytest

from app.classifier.checkpoint import reported
from app.classifier.checkpoint.snapshot import SNAPSHOT
from tests.support.training_runs import fail, find, make_checkpoint, write_run


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400, '"0.9"'])
def test_a_value_that_is_no_finite_number_is_never_the_best(value: str, tmp_path: Path) -> None:
    """Whoever wrote the snapshot."""
    write_run(tmp_path, {"f1": "VALUE"}, {"f1": 0.25}, {"f1": "VALUE"})
    path = tmp_path / SNAPSHOT
    path.write_text(path.read_text().replace('"VALUE"', value))
    for text in ("best:f1", "best:min:f1"):
        assert find(tmp_path, text) == "epoch_1"


@pytest.mark.parametrize("name", ["../outside", "/", "link", "missing", "", "\0", "a" * 5000])
def test_a_name_that_leads_out_of_the_run_is_passed_over(name: str, tmp_path: Path) -> None:
    """However good its metric is."""
    run = write_run(tmp_path / "run", {"f1": 0.25}, {"f1": 1})
    (run / "link").symlink_to(make_checkpoint(tmp_path / "outside"))
    path = run / SNAPSHOT
    path.write_text(path.read_text().replace('"epoch_1"', json.dumps(name)))
    assert find(run, "best:f1") == "epoch_0"


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", "[" * 100_000, "\udcff"])
def test_a_snapshot_that_is_no_snapshot_is_told(text: str, tmp_path: Path) -> None:
    """Without metrics nothing is the best, and names are no measure."""
    make_checkpoint(tmp_path / "checkpoint_1")
    (tmp_path / SNAPSHOT).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert f"no checkpoint in a {SNAPSHOT} or result.json" in fail(tmp_path, "best:f1")


def test_a_run_without_snapshot_is_told(tmp_path: Path) -> None:
    """As of transformers' Trainer."""
    make_checkpoint(tmp_path / "checkpoint-500")
    assert "Set it to newest" in fail(tmp_path, "best:f1")


def test_a_snapshot_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It may fill the memory otherwise; the log names it."""
    write_run(tmp_path, {"f1": 1})
    size = (tmp_path / SNAPSHOT).stat().st_size
    monkeypatch.setattr(reported, "MAX_BYTES", size)
    assert find(tmp_path, "best:f1") == "epoch_0"
    monkeypatch.setattr(reported, "MAX_BYTES", size - 1)
    assert "Set it to newest" in fail(tmp_path, "best:f1")
    assert f"{SNAPSHOT} is ignored" in caplog.text


def test_names_of_metrics_are_shown_safely(tmp_path: Path) -> None:
    """What a terminal would obey is left out, and long lists are shortened."""
    write_run(tmp_path, {"a\x1b[31m": 1, "b\nc": 2, "loss": 3} | dict.fromkeys("x" * 9 + "y", 0))
    message = fail(tmp_path, "best:f1")
    assert message.endswith("Their metrics are: loss, x, y.")
    write_run(tmp_path / "long", {f"metric_{number}": 1 for number in range(1000)})
    assert len(fail(tmp_path / "long", "best:f1")) < 400 + len(str(tmp_path))
