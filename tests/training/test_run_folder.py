"""The folder of a run: when a command goes on with it, and when it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.datasets.labelled import LabelledDataset
from app.datasets.sample import Sample
from app.errors import SettingsError
from app.training.options import TuneOptions
from app.training.run_folder import (
    METRICS,
    STATE,
    TRAINING_STATE,
    RunFolder,
    write_json,
    write_metrics,
)

SAMPLES = tuple(Sample(f"{one}/1", f"{one}/1", -1, one) for one in "abab")
DATASET = LabelledDataset(("a", "b"), SAMPLES[:2], SAMPLES[2:])


@pytest.fixture
def options(tmp_path: Path) -> TuneOptions:
    """Options of a run."""
    return TuneOptions("data", tmp_path / "run")


def test_the_same_command_goes_on(options: TuneOptions) -> None:
    """Workers and the cluster may be others; what is learned may not."""
    RunFolder(options, DATASET).create()
    RunFolder(replace(options, workers=2, address="auto"), DATASET).create()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": 0.1}, "--lr None, not 0.1"),
        ({"epochs": 3}, "--epochs 10, not 3"),
        ({"smoothing": 0.1}, "--label-smoothing 0.0, not 0.1"),
        ({"batch_size": 8}, "--batch-size 32, not 8"),
    ],
)
def test_other_options_are_refused(
    options: TuneOptions, change: dict[str, float], words: str
) -> None:
    """A run that was told something else is not continued; the error says what it was told."""
    RunFolder(options, DATASET).create()
    with pytest.raises(SettingsError, match=words):
        RunFolder(replace(options, **change), DATASET)  # type: ignore[arg-type]


def test_an_option_that_is_no_more_is_named(options: TuneOptions) -> None:
    """A run that another version began with it is not continued."""
    folder = RunFolder(options, DATASET)
    folder.create()
    state = json.loads((folder.path / STATE).read_text())
    state["options"]["old_one"] = True
    write_json(folder.path / STATE, state)
    with pytest.raises(SettingsError, match="--old-one True, not None"):
        RunFolder(options, DATASET)


def test_another_dataset_is_refused(options: TuneOptions) -> None:
    """One image more or another label is another run."""
    RunFolder(options, DATASET).create()
    other = replace(DATASET, train=(*DATASET.train, Sample("a/z", "a/z", -1, "a")))
    with pytest.raises(SettingsError, match="other images or labels"):
        RunFolder(options, other)


def test_a_finished_run_is_refused(options: TuneOptions) -> None:
    """Nothing is trained twice, and nothing of a finished run is overwritten."""
    folder = RunFolder(options, DATASET)
    folder.create()
    folder.finish()
    with pytest.raises(SettingsError, match="is finished"):
        RunFolder(options, DATASET)


def test_what_is_something_else_is_refused(options: TuneOptions) -> None:
    """A folder with other files, or a file, is not written into."""
    options.out.mkdir()
    (options.out / "thesis.doc").write_text("precious")
    for out in (options.out, options.out / "thesis.doc"):
        with pytest.raises(SettingsError, match="no run of vitrine tune"):
            RunFolder(replace(options, out=out), DATASET)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", '{"state": 3}', '{"options": 1}'])
def test_a_damaged_state_is_refused(options: TuneOptions, text: str) -> None:
    """A state that is no such JSON is one clear error."""
    options.out.mkdir()
    (options.out / STATE).write_text(text)
    with pytest.raises(SettingsError):
        RunFolder(options, DATASET)


def test_an_empty_folder_may_be_given(options: TuneOptions) -> None:
    """A folder that was made for the run is taken."""
    options.out.mkdir()
    RunFolder(options, DATASET).create()
    assert json.loads((options.out / STATE).read_text())["state"] == "started"


def test_a_folder_that_cannot_be_written_is_one_error(options: TuneOptions) -> None:
    """A path below a file is refused."""
    options.out.write_text("")
    with pytest.raises(SettingsError, match="Give another --out"):
        RunFolder(replace(options, out=options.out / "run"), DATASET).create()


def test_a_finished_run_has_nothing_that_only_training_needs(options: TuneOptions) -> None:
    """The states of optimizers go, the checkpoints stay."""
    folder = RunFolder(options, DATASET)
    folder.create()
    folder.start.mkdir()
    checkpoint = folder.path / "checkpoint_1"
    checkpoint.mkdir()
    for name in (TRAINING_STATE, "config.json"):
        (checkpoint / name).write_text("{}")
    folder.finish()
    assert [path.name for path in checkpoint.iterdir()] == ["config.json"]
    assert not folder.start.exists()


def test_metrics_that_cannot_be_written_leave_those_before(tmp_path: Path) -> None:
    """A full disk or a kill costs no line of an epoch that was written."""
    write_metrics(tmp_path, [{"epoch": 1}, {"epoch": 2}])
    whole = (tmp_path / METRICS).read_text()
    assert [json.loads(line)["epoch"] for line in whole.splitlines()] == [1, 2]
    (tmp_path / f".{METRICS}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_metrics(tmp_path, [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}])
    assert (tmp_path / METRICS).read_text() == whole
