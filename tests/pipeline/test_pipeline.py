"""The whole pipeline on the handwritten digits: tune, serve the run, predict."""

from pathlib import Path

import httpx
import pytest

from app.settings import Settings
from app.training.options import TuneOptions
from app.training.tune import tune_model
from tests.support.service import start_service
from tools.train_digits.__main__ import write_untrained
from tools.train_digits.digits import split_digits, write_dataset

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


def test_a_run_is_served_as_it_is(digits: Path, run: Path, tmp_path: Path) -> None:
    """`vitrine serve` takes the run's folder, and names held-out digits as the run was judged."""
    paths = sorted(digits.glob("holdout/*/*.png"))[::18]
    with start_service(tmp_path, model=str(run)) as service:
        service.wait_until_ready()
        named = [
            httpx.post(
                f"{service.url}/predict", files={"file": path.read_bytes()}, timeout=30
            ).json()["predictions"][0]["label"]
            for path in paths
        ]
        service.assert_stops()
    right = [label == path.parent.name for label, path in zip(named, paths, strict=True)]
    assert len(right) == 20
    assert sum(right) >= 17
