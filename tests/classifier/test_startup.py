"""The classifier's start-up."""

import logging
import shutil
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from app.classifier.checkpoint.calibration import CALIBRATION
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.checkpoint.snapshot import SNAPSHOT
from app.classifier.engines import conversion_process
from app.classifier.model import Model
from app.classifier.startup import choose_threads, convert_ahead, load_model, read_engine_options
from app.errors import CheckpointError, SettingsError, StartupError
from app.settings import Settings
from tests.support.training_runs import write_run


def test_the_model_that_is_loaded_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Start-up logs model, revision, labels, device and threads."""
    with caplog.at_level(logging.INFO, "vitrine"):
        model = load_model(Settings(batch_size=2))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert lines[0].startswith(f"model vitrine-digits at {model.description.revision}, 10 labels")


def test_what_cannot_be_loaded_is_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """A checkpoint that is wrong is logged without a traceback, and raised."""
    with caplog.at_level(logging.INFO, "vitrine"), pytest.raises(CheckpointError):
        load_model(Settings(model="/no/such/folder"))
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].exc_info is None


def test_a_model_without_memory_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As engines tell it where not even one image fits."""

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Model, "warm_up", fail)
    with pytest.raises(StartupError, match=r"VITRINE_DEVICE=cpu\. Free some"):
        load_model(Settings(device="cpu"))
    assert [record.exc_info for record in caplog.records] == [None]


@pytest.mark.parametrize(
    ("buckets", "batch_size", "expected"),
    [
        (None, 1, (1,)),
        (None, 6, (1, 2, 4, 6)),
        (None, 8, (1, 2, 4, 8)),
        ("1,3", 8, (1, 3, 8)),
    ],
)
def test_buckets_are_powers_of_two_or_as_asked_and_hold_every_batch(
    buckets: str | None, batch_size: int, expected: tuple[int, ...]
) -> None:
    """The largest batch always has a bucket of its own."""
    choice = read_engine_options(Settings(buckets=buckets, batch_size=batch_size))
    assert choice.buckets == expected


class Burner(Model):
    """A model whose images take as much of a CPU as they are told to, and wait as long again."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.threads = 0
        self.engine = self  # type: ignore[assignment] # of an engine, only this is asked

    def set_threads(self, count: int) -> None:
        """Take the number of threads."""
        self.threads = count

    def run_blank(self, size: int) -> None:
        """Burn a core, and then wait as for one that another process has."""
        assert (size, self.threads) == (1, 1)
        end = time.process_time() + self.seconds
        while time.process_time() < end:
            pass
        time.sleep(self.seconds)


@pytest.mark.parametrize(("seconds", "chosen"), [(0.2, 2), (0.012, 2), (0.003, 1), (0.0002, 1)])
def test_a_small_model_has_one_thread_and_any_other_all_cores(seconds: float, chosen: int) -> None:
    """What counts is the CPU that an image takes, however busy the machine is."""
    model = Burner(seconds)
    assert choose_threads(model, 2) == chosen
    assert model.threads == chosen


def test_the_bundled_model_runs_on_one_thread() -> None:
    """It is small."""
    assert choose_threads(Model(open_checkpoint("bundled")), 8) == 1


def list_conversions() -> list[psutil.Process]:
    """List the processes that convert for this one."""
    children = psutil.Process().children()
    return [child for child in children if conversion_process.__name__ in child.cmdline()]


def test_a_conversion_ahead_is_what_the_classifier_reads(
    vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on by itself, once, and a checkpoint that is in the cache is not converted again."""
    settings = Settings(model=str(vit), cache=str(tmp_path / "cache"), device="cpu")
    checkpoint = open_checkpoint(str(vit))
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "torch")  # else it converts here
        convert_ahead(settings, checkpoint)
        assert "conversion" in [thread.name for thread in threading.enumerate()]
        deadline = time.monotonic() + 20
        while not list_conversions():
            assert time.monotonic() < deadline
    load_model(settings)
    assert list_conversions() == []
    (entry,) = [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    made = entry.stat().st_ino
    convert_ahead(settings, checkpoint)
    load_model(settings)
    assert list_conversions() == []
    assert entry.stat().st_ino == made


@pytest.mark.parametrize("options", [{"cache": "off"}, {"engine": "torch"}])
def test_nothing_is_converted_ahead_in_vain(options: dict[str, str], vit: Path) -> None:
    """Without the cache, or for torch, nobody would read it."""
    settings = Settings(model=str(vit), device="cpu", **options)  # type: ignore[arg-type]
    convert_ahead(settings, open_checkpoint(str(vit)))
    assert "conversion" not in [thread.name for thread in threading.enumerate()]


def test_settings_that_do_not_fit_are_refused_before_ray_starts(vit: Path) -> None:
    """As the classifier would refuse them, seconds later."""
    settings = Settings(model=str(vit), device="cpu", precision="int8")
    with pytest.raises(SettingsError, match="is not quantized"):
        convert_ahead(settings, open_checkpoint(str(vit)))


def test_a_reload_chooses_the_best_checkpoint_anew(vit: Path, tmp_path: Path) -> None:
    """It loads as a start does: a better checkpoint, and a temperature that was fitted since."""
    run = write_run(tmp_path / "run", {"f1": 0.5}, {"f1": 0.25})
    for name in ("epoch_0", "epoch_1"):
        shutil.copytree(vit, run / name, dirs_exist_ok=True)
        (run / name / CALIBRATION).write_text('{"temperature": 1.5}')
    options = {"checkpoint": "best:f1", "calibration": "temperature", "engine": "torch"}
    settings = Settings.model_validate({"model": str(run), "batch_size": 1, **options})
    first = load_model(settings).description
    snapshot = run / SNAPSHOT
    snapshot.write_text(snapshot.read_text().replace("0.25", "0.75"))
    (run / "epoch_1" / CALIBRATION).write_text('{"temperature": 2.5}')
    second = load_model(settings).description
    assert (first.model_id, first.temperature) == ("run/epoch_0", 1.5)
    assert (second.model_id, second.temperature) == ("run/epoch_1", 2.5)
    assert first.revision != second.revision
