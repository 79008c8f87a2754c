"""The queue of the engine study, with the bundled model and one real process."""

import pytest

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from bench.studies.engine_queue import measure_queue, run_queue


@pytest.mark.parametrize("batch", [1, 4])
def test_groups_of_processes_are_scored(batch: int) -> None:
    """What a process sends is scored again and again, at most a batch at a time."""
    model = Model(open_checkpoint("bundled"), EngineOptions("cpu", "torch"))
    assert measure_queue(model, batch, feeders=1, seconds=0.2) > 0
    with run_queue(model, batch, feeders=0) as waiting:
        assert waiting.shape == (max(1, batch // 2), 32, 32, 3)
