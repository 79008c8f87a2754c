"""The newest checkpoint of a training run, whichever of its levels is given."""

import json
import logging
import os
from pathlib import Path

import pytest

from app.classifier.checkpoint import training_run
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.snapshot import SNAPSHOT
from app.classifier.checkpoint.training_run import find_newest_checkpoint
from app.errors import CheckpointError
from tests.support.checkpoints import copy_checkpoint

RUN = "TorchTrainer_2023-06-01_10-00-00"
OLD = f"{RUN}/TorchTrainer_ab12_00000_0_2023-06-01_10-00-05"
NEW = "TorchTrainer_2023-06-02_09-00-00/TorchTrainer_cd34_00000_0_2023-06-02_09-00-05"

V2 = "ray_train_run-2026-11-20_09-59-00"
WRITTEN_BY_RAY = """
{"ray_version":"2.60.0","checkpoint_results":[{"version":0,"checkpoint_dir_name":"epoch_3",
"metrics":{"loss":0.4,"x":null}},{"version":0,"checkpoint_dir_name":"epoch_2",
"metrics":{"loss":0.3,"x":null}}],"checkpoint_report_indices":[2,1],"latest_checkpoint_result":{
"version":0,"checkpoint_dir_name":"epoch_3","metrics":{"loss":0.4,"x":null}},
"pending_training_results":[],"pending_validation_specs":[],"current_report_index":3,
"validated_checkpoint_dir_names":[],"timed_out_validation_checkpoint_dir_names":[],
"failed_validation_checkpoint_dir_names":[]}
"""
"""By the CheckpointManager of Ray 2.60.0, for epochs 1 to 3 of which it kept the best and the last;
only the line breaks are ours."""


def make(folder: Path, *names: str) -> None:
    """Make folders that look like checkpoints, each older than the one before."""
    for age, name in enumerate(names):
        (folder / name).mkdir(parents=True, exist_ok=True)
        config = folder / name / "config.json"
        config.write_text("{}")
        os.utime(config, (10**9 - age, 10**9 - age))


def write_snapshot(run: Path, latest: object, *others: object) -> None:
    """Write a snapshot with the newest checkpoint and others, from old to new."""
    results = [{"checkpoint_dir_name": name} for name in (latest, *others)]
    state = {
        "latest_checkpoint_result": results[0],
        "checkpoint_results": results,
        "checkpoint_report_indices": [len(others), *range(len(others))],
    }
    (run / SNAPSHOT).write_text(json.dumps(state))


def find(folder: Path) -> str:
    """Find the newest checkpoint; gives its path below `folder`."""
    return find_newest_checkpoint(folder).relative_to(folder).as_posix()


@pytest.mark.parametrize("level", ["", RUN, OLD, f"{OLD}/checkpoint_000010"], ids=range(4))
def test_any_level_of_a_ray_train_run_may_be_given(level: str, tmp_path: Path) -> None:
    """Storage folder, run, trial and checkpoint folder all lead to the newest checkpoint."""
    make(tmp_path, f"{OLD}/checkpoint_000009/checkpoint", f"{OLD}/checkpoint_000010/checkpoint")
    newest = tmp_path / OLD / "checkpoint_000010" / "checkpoint"
    assert find_newest_checkpoint(tmp_path / level) == newest


def test_the_checkpoint_itself_may_be_given(tmp_path: Path) -> None:
    """A folder that is a checkpoint is taken, whatever lies below it."""
    make(tmp_path, ".", "checkpoint-500")
    assert find_newest_checkpoint(tmp_path) == tmp_path


def test_numbers_count_as_numbers(tmp_path: Path) -> None:
    """Checkpoint 1000 is newer than 999 and 9, though its name sorts before theirs."""
    make(tmp_path, "checkpoint-1000", "checkpoint-999", "checkpoint-9")
    assert find(tmp_path) == "checkpoint-1000"


def test_a_later_run_goes_before_a_higher_number(tmp_path: Path) -> None:
    """The dates in the names decide first."""
    make(tmp_path, f"{OLD}/checkpoint_000099/checkpoint", f"{NEW}/checkpoint_000001/checkpoint")
    assert find(tmp_path) == f"{NEW}/checkpoint_000001/checkpoint"


def test_a_number_in_the_name_of_the_run_does_not_hide_the_checkpoints(tmp_path: Path) -> None:
    """A run folder that is itself called checkpoint-2023 still gives its newest checkpoint."""
    run = tmp_path / "checkpoint-2023"
    make(run, "checkpoint-500", "checkpoint-1000", "checkpoint-999")
    assert find(run) == "checkpoint-1000"


def test_time_stamps_count_to_the_microsecond(tmp_path: Path) -> None:
    """Of two checkpoints of one second the later is newer, whatever the files' times are."""
    stamps = [f"{V2}/checkpoint_2026-11-20_10-00-00.{part}" for part in ("923456", "123456")]
    make(tmp_path, *reversed(stamps))
    assert find(tmp_path) == stamps[0]
    assert find(tmp_path / V2) == stamps[0].removeprefix(f"{V2}/")


@pytest.mark.parametrize("level", ["", "my run"])
def test_the_snapshot_of_ray_train_names_the_newest(level: str, tmp_path: Path) -> None:
    """Names of the user's own are found in the run and its storage folder, with or without HF."""
    make(tmp_path / "my run", "epoch_3/checkpoint", "epoch_2")
    (tmp_path / "my run" / SNAPSHOT).write_text(WRITTEN_BY_RAY)
    newest = tmp_path / "my run" / "epoch_3" / "checkpoint"
    assert find_newest_checkpoint(tmp_path / level) == newest


def test_the_snapshot_goes_before_names(tmp_path: Path) -> None:
    """A folder that was never reported, such as a half-copied one, is not taken."""
    make(tmp_path, "checkpoint_000001", "checkpoint_000002")
    write_snapshot(tmp_path, "checkpoint_000001")
    assert find(tmp_path) == "checkpoint_000001"


def test_a_checkpoint_that_was_deleted_leaves_it_to_the_one_before(tmp_path: Path) -> None:
    """The order of the reports decides, not that of the list, which may be by score."""
    make(tmp_path, "epoch_1", "epoch_2")
    write_snapshot(tmp_path, "epoch_3", "epoch_1", "epoch_2")
    assert find(tmp_path) == "epoch_2"


@pytest.mark.parametrize(
    "name", ["../outside", "/", "link", "missing", "", 7, None, ["checkpoint_1"], "\0", "a" * 5000]
)
def test_a_snapshot_that_names_nothing_in_its_run_is_ignored(
    name: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be damaged or forged; then the folders' names decide, and the log says so."""
    make(tmp_path, "run/checkpoint_1", "run/checkpoint_2", "outside")
    (tmp_path / "run" / "link").symlink_to(tmp_path / "outside")
    write_snapshot(tmp_path / "run", name)
    with caplog.at_level(logging.INFO, logger="vitrine.checkpoint"):
        assert find(tmp_path / "run") == "checkpoint_2"
    assert "is ignored" in caplog.messages[0]
    assert "1 of 2 by number" in caplog.messages[1]


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", "[" * 100_000, "\udcff"])
def test_a_snapshot_that_is_no_snapshot_is_ignored(text: str, tmp_path: Path) -> None:
    """Any bytes may stand there."""
    make(tmp_path, "checkpoint_1", "checkpoint_2")
    (tmp_path / SNAPSHOT).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert find(tmp_path) == "checkpoint_2"


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (["checkpoint_2026-11-20_10-00-00.1", "checkpoint_2026-11-20_10-00-00.2"], "time stamp"),
        (["checkpoint-9", "checkpoint-10"], "number"),
        (["checkpoint_b", "checkpoint_a"], "file time"),
        (["checkpoint_a"], "name"),
    ],
)
def test_the_log_says_by_which_rule(
    names: list[str], rule: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line names the checkpoint, out of how many, and what set it apart."""
    make(tmp_path, *names)
    with caplog.at_level(logging.INFO, logger="vitrine.checkpoint"):
        find_newest_checkpoint(tmp_path)
    assert f"1 of {len(names)} by {rule}: " in caplog.text


def test_the_log_says_what_chose_between_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each run has a snapshot, which says nothing of the other run."""
    for run in ("run_2026-11-20_10-00-00", "run_2026-11-21_10-00-00"):
        make(tmp_path / run, "epoch_1", "epoch_2")
        write_snapshot(tmp_path / run, "epoch_2", "epoch_1")
    with caplog.at_level(logging.INFO, logger="vitrine.checkpoint"):
        assert find(tmp_path) == "run_2026-11-21_10-00-00/epoch_2"
    assert "by time stamp: " in caplog.text
    with caplog.at_level(logging.INFO, logger="vitrine.checkpoint"):
        assert find(tmp_path / "run_2026-11-20_10-00-00") == "epoch_2"
    assert f"by {SNAPSHOT}: " in caplog.text


def test_without_dates_and_numbers_the_newest_file_decides(tmp_path: Path) -> None:
    """Names that say nothing leave it to the time of config.json."""
    make(tmp_path, "b/checkpoint_best", "a/checkpoint_best", "c/checkpoint_best")
    assert find(tmp_path) == "b/checkpoint_best"


def test_checkpoints_without_config_do_not_count(tmp_path: Path) -> None:
    """A checkpoint folder that was never finished is passed over."""
    make(tmp_path, "checkpoint-500")
    (tmp_path / "checkpoint-1000").mkdir()
    assert find(tmp_path) == "checkpoint-500"


def test_a_folder_without_checkpoint_is_told(tmp_path: Path) -> None:
    """A run folder with no checkpoint in it ends in one line."""
    (tmp_path / OLD).mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"no Ray Train checkpoint below it\. Point"):
        find_newest_checkpoint(tmp_path)


def test_a_checkpoint_that_is_deleted_meanwhile_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training run that keeps its best checkpoints deletes others."""
    make(tmp_path, "checkpoint-5")
    write_snapshot(tmp_path, "checkpoint-5")
    config = tmp_path / "checkpoint-5" / "config.json"
    monkeypatch.setattr(training_run, "_read_newest", lambda _: config.unlink(missing_ok=True))
    with pytest.raises(CheckpointError, match=r"checkpoint-5/config\.json'\. .* try again"):
        open_checkpoint(str(tmp_path))


def test_the_log_names_the_checkpoint_that_was_found(
    vit: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Opening a run says in one log line which checkpoint it took; its name says so, too."""
    newest = tmp_path / "run" / OLD / "checkpoint_000001" / "checkpoint"
    copy_checkpoint(vit, newest)
    with caplog.at_level(logging.INFO, logger="vitrine.checkpoint"):
        checkpoint = open_checkpoint(str(tmp_path / "run"))
    (record,) = caplog.records
    assert record.getMessage().endswith(f"1 of 1 by name: {newest}")
    assert checkpoint.id == f"run/{OLD}/checkpoint_000001/checkpoint"


def test_a_lone_checkpoint_folder_is_named_with_its_parent(vit: Path, tmp_path: Path) -> None:
    """`checkpoint` alone would say nothing, so its parent's name goes before it."""
    folder = copy_checkpoint(vit, tmp_path / "checkpoint_000001" / "checkpoint")
    assert open_checkpoint(str(folder)).id == "checkpoint_000001/checkpoint"


def test_a_checkpoint_may_be_a_link(vit: Path, tmp_path: Path) -> None:
    """A link inside the run opens, under the name that it has there."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint-7").symlink_to(vit)
    assert open_checkpoint(str(tmp_path / "run")).id == "run/checkpoint-7"


def test_a_relative_folder_is_named_as_it_is_called(
    vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.` is the folder one is in, with its name."""
    monkeypatch.chdir(copy_checkpoint(vit, tmp_path / "mine"))
    assert open_checkpoint(".").id == "mine"
