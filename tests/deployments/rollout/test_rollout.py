"""How a rollout is followed, and what the nodes are asked before it."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from app.auth.keys import hash_key
from app.deployments.rollout import rollout
from app.deployments.rollout.config import read_config
from app.deployments.rollout.dashboard import Cluster
from app.deployments.rollout.progress import Rollout, ServeDetails
from app.deployments.rollout.rollout import follow_rollout, make_question
from app.errors import RolloutError
from tests.support.dashboard import DETAILS, start_dashboard
from tests.support.rollouts import make_config, write_config
from tests.support.service import ANN, EVERYWHERE

NOTHING: ServeDetails = {"controller_info": {}, "applications": {}, "proxies": {}}
SERVING = {
    "controller_info": {"actor_id": "ab"},
    "applications": {
        "vitrine": {
            "status": "RUNNING",
            "message": "",
            "last_deployed_time_s": 1.0,
            "deployments": {},
        }
    },
    "proxies": {"head": {"status": "HEALTHY"}},
}
AWAY = (500, "the controller is away")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test does not wait for seconds."""
    monkeypatch.setattr(rollout, "POLL_S", 0.01)
    monkeypatch.setattr(rollout, "PATIENCE_S", 0.2)


def follow(answers: Sequence[tuple[int, object]], timeout_s: float = 10) -> list[str]:
    """Follow a rollout of which Serve tells this; gives the lines."""
    lines: list[str] = []
    with start_dashboard({DETAILS: [*answers]}) as url:
        follow_rollout(Cluster(url), Rollout(["vitrine"], NOTHING), timeout_s, lines.append)
    return lines


def test_a_cluster_that_does_not_answer_for_a_while_is_followed_on() -> None:
    """As when the controller starts anew."""
    answers = [(200, NOTHING), AWAY, AWAY, (200, SERVING)]
    assert follow(answers) == ["waiting for Serve", "building the application", "serving"]


def test_a_cluster_that_answers_no_more_ends_it() -> None:
    """The line says that the rollout itself does not end."""
    with pytest.raises(RolloutError) as caught:
        follow([(200, NOTHING), AWAY])
    line = str(caught.value)
    assert "500" in line
    assert line.endswith(" The rollout goes on.")
    assert "\n" not in line


def test_a_rollout_that_takes_too_long_goes_on() -> None:
    """With how far it is."""
    with pytest.raises(RolloutError, match=r"after 0 s: waiting for Serve. The rollout goes on."):
        follow([(200, NOTHING)], timeout_s=0)


def test_nodes_are_asked_for_addresses_unless_serve_has_them(tmp_path: Path) -> None:
    """And never for keys."""
    config = make_config(tmp_path, api_keys=f"ann:{hash_key(ANN)}", batch_size=8, metrics_port=9102)
    question = make_question(config, NOTHING)
    args = {"batch_size": 8, "metrics_port": 9102, "explainer_replicas": 1, "model": "bundled"}
    assert question.args == args | {"allow_unauthenticated": True}
    assert (question.host, question.replica_host) == (EVERYWHERE, EVERYWHERE)
    assert question.proxies == "EveryNode"
    assert question.ports["http_options.port"] == (EVERYWHERE, 8000)
    assert question.ports["HAPROXY_VITRINE_METRICS_PORT"] == (EVERYWHERE, 9102)
    again = make_question(config, NOTHING | {"controller_info": {"actor_id": "ab"}})
    assert (again.host, again.replica_host, again.ports) == ("", "", {})


def test_without_haproxy_only_proxies_listen_for_clients(tmp_path: Path) -> None:
    """A node without one needs no address of theirs."""
    path = write_config(tmp_path)
    text = path.read_text().replace("EveryNode", "HeadOnly")
    path.write_text(
        text.replace("RAY_SERVE_ENABLE_HA_PROXY: '1'", "RAY_SERVE_ENABLE_HA_PROXY: '0'")
    )
    question = make_question(read_config(path), NOTHING)
    assert (question.proxies, question.host, question.replica_host) == ("HeadOnly", EVERYWHERE, "")
