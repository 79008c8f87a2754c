"""The process that converts: what it logs and raises comes back, and it ends with its parent."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from app.classifier.cache.converted_model import read_converted
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.conversion_process import run_conversion
from tests.support.checkpoints import pickle_weights
from tests.support.converting import read_loaded, start_loading

KILL_CHILD = """
import threading, time, psutil

def kill_child():
    while not (children := psutil.Process().children()):
        time.sleep(0.05)
    children[0].kill()

threading.Thread(target=kill_child, daemon=True).start()
"""


def test_errors_and_log_lines_come_back_as_they_are(folder: Path) -> None:
    """A pickle without a head is warned of, and refused with the loader's own words."""
    pickle_weights(folder, "classifier.weight")
    found = read_loaded(start_loading(folder, None))
    assert found["heavy"] == []
    assert found["error"] == "CheckpointError"
    assert "the weights lack classifier.weight" in str(found["message"])
    assert [line for line in found["lines"] if "is a pickle" in line]  # type: ignore[attr-defined]


def test_a_checkpoint_may_have_more_labels_than_an_argument_holds(
    vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ImageNet-22k has."""
    checkpoint = open_checkpoint(str(vit))
    labels = tuple(f"a label of some length, number {number}" for number in range(20_000))
    monkeypatch.delitem(sys.modules, "torch")  # else it converts here
    run_conversion(replace(checkpoint, labels=labels), "fp32", tmp_path)
    read_converted(tmp_path)


def test_no_code_of_the_current_folder_runs(
    vit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be that of the checkpoint."""
    for name in ("json", "torch", "openvino"):
        (tmp_path / f"{name}.py").write_text("open('run', 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "torch")
    made = tmp_path / "made"
    made.mkdir()
    run_conversion(open_checkpoint(str(vit)), "fp32", made)
    read_converted(made)
    assert not (tmp_path / "run").exists()


def test_a_process_that_is_killed_is_told_in_one_line(vit: Path) -> None:
    """As the system does when memory runs out."""
    found = read_loaded(start_loading(vit, None, before=KILL_CHILD))
    assert found["error"] == "StartupError"
    assert str(found["message"]).endswith(
        "has ended: signal 9; was there too little memory? VITRINE_ENGINE=torch does without it."
    )


def test_the_process_ends_with_the_one_that_waits_for_it(vit: Path) -> None:
    """Even when that one is killed."""
    parent = start_loading(vit, None)
    deadline = time.monotonic() + 60
    while not (children := psutil.Process(parent.pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.kill()
    parent.communicate()
    _, left = psutil.wait_procs(children, timeout=20)
    assert left == []
