"""How long a batch may run."""

import threading
import time

import pytest

from app.classifier import hang_detector
from app.classifier.hang_detector import HangDetector
from app.errors import ModelUnavailableError


@pytest.fixture(autouse=True)
def _be_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow any batch a moment only."""
    monkeypatch.setattr(hang_detector, "MIN_TIMEOUT_S", 0.05)


def test_an_idle_model_is_well() -> None:
    """Before, between and after batches nothing hangs."""
    watch = HangDetector()
    watch.check()
    with watch.time(1):
        assert watch.is_busy
        watch.check()
    time.sleep(0.06)
    watch.check()
    assert not watch.is_busy


def test_a_batch_that_does_not_end_is_told_until_it_does() -> None:
    """Whichever thread asks."""
    watch, end = HangDetector(), threading.Event()

    def hang() -> None:
        with watch.time(1):
            end.wait(10)

    thread = threading.Thread(target=hang)
    thread.start()
    try:
        time.sleep(0.1)
        with pytest.raises(ModelUnavailableError, match="hangs"):
            watch.check()
    finally:
        end.set()
        thread.join()
    watch.check()


def test_a_model_that_is_slow_by_nature_is_given_time() -> None:
    """Five times what an image has taken, for each image of the batch."""
    watch = HangDetector()
    with watch.time(1):
        time.sleep(0.04)
    with watch.time(10):
        time.sleep(0.1)
        watch.check()


def test_a_batch_that_fails_is_over() -> None:
    """An error ends it as an answer does."""
    watch = HangDetector()
    with pytest.raises(ZeroDivisionError), watch.time(1):
        raise ZeroDivisionError
    assert not watch.is_busy


def test_what_was_slow_once_is_forgotten() -> None:
    """One slow batch among many does not make a model that hangs look well for ever."""
    watch = HangDetector()
    watch.note(10.0, 1)
    for _ in range(200):
        watch.note(0.001, 1)
    with watch.time(1):
        time.sleep(0.1)
        with pytest.raises(ModelUnavailableError):
            watch.check()
