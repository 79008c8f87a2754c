"""How many workers Ray can run."""

from pathlib import Path

import pytest

from app.errors import SettingsError
from app.training.options import TuneOptions
from app.training.trainer import check_workers


def make_options(workers: int, address: str | None = None) -> TuneOptions:
    """Make options."""
    return TuneOptions("data", Path("run"), workers=workers, address=address)


@pytest.mark.parametrize("resources", [{"CPU": 2.0}, {"CPU": 1.0, "GPU": 2.0}])
def test_more_workers_than_this_machine_has_room_for_are_refused(
    resources: dict[str, float],
) -> None:
    """Ray would wait for room forever; a GPU is enough, for a worker on it asks for no core."""
    assert check_workers(make_options(2), resources) == ""
    with pytest.raises(SettingsError, match="--workers 3: this machine has room for 2"):
        check_workers(make_options(3), resources)


def test_workers_wait_for_nodes_of_a_cluster() -> None:
    """It may grow, so a line tells of the wait."""
    assert check_workers(make_options(2, "auto"), {"CPU": 2.0}) == ""
    line = check_workers(make_options(3, "auto"), {"CPU": 2.0})
    assert line.startswith("the cluster has room for 2 workers")
