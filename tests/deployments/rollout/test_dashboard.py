"""What Ray's clients raise becomes one line."""

import pytest

from app.deployments.rollout.dashboard import Cluster
from app.deployments.rollout.progress import ServeDetails
from app.errors import RolloutError
from tests.support.dashboard import ACTORS, DETAILS, start_dashboard

RUNNING: ServeDetails = {
    "controller_info": {"actor_id": "ab"},
    "applications": {},
    "proxies": {},
}


def read_refusal(error: pytest.ExceptionInfo[RolloutError]) -> str:
    """Read the line."""
    line = str(error.value)
    assert "\n" not in line
    return line


def test_the_state_api_fails() -> None:
    """Its error is of a kind of its own."""
    answer = {"result": False, "msg": "no GCS\n", "data": {}}
    with start_dashboard({ACTORS: [(500, answer)]}) as url:
        cluster = Cluster(url)
        with pytest.raises(RolloutError) as caught:
            cluster.read_variables(RUNNING)
    line = read_refusal(caught)
    assert line.startswith(f"{url}: ")
    assert "no GCS" in line


def test_serve_fails() -> None:
    """With what the dashboard says of it."""
    with start_dashboard({DETAILS: [(503, "the controller is away")]}) as url:
        cluster = Cluster(url)
        with pytest.raises(RolloutError) as caught:
            cluster.read_details()
    assert "503" in read_refusal(caught)


def test_nothing_answers() -> None:
    """The line asks for the right address."""
    with start_dashboard({}) as url:
        pass
    with pytest.raises(RolloutError) as caught:
        Cluster(url)
    assert read_refusal(caught) == f"{url} does not answer. Is it the dashboard of the head node?"
