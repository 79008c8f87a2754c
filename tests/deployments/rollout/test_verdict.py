"""What the reports of nodes mean for a Serve config file."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from app.deployments.haproxy_config import BINARY_PATH
from app.deployments.rollout.config import read_config
from app.deployments.rollout.node import NodeReport
from app.deployments.rollout.verdict import check_nodes
from app.deployments.serve_environment import list_node_variables
from app.errors import RolloutError
from tests.support.rollouts import drop_variable, make_config, make_report, write_config
from tests.support.service import EVERYWHERE

ONE, TWO = make_report("10.0.0.1"), make_report("10.0.0.2")
RUNNING = {"Ingress": 1, "Classifier": 1}


def read_refusal(folder: Path, *nodes: NodeReport, **args: object) -> str:
    """Read why a file is refused on these nodes, in one line."""
    with pytest.raises(RolloutError) as caught:
        check_nodes(make_config(folder, **args), nodes, {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nodes_that_have_everything_are_accepted(tmp_path: Path) -> None:
    """Without a word."""
    assert check_nodes(make_config(tmp_path), [ONE, TWO], {}) == []


def test_a_node_that_cannot_be_asked_is_named(tmp_path: Path) -> None:
    """Before all else, since nothing is known of it."""
    line = read_refusal(tmp_path, ONE, NodeReport("10.0.0.2", error="it does not answer in time"))
    assert line == "Node 10.0.0.2 cannot be asked: it does not answer in time."


def test_two_versions_are_refused(tmp_path: Path) -> None:
    """Each with its nodes."""
    line = read_refusal(tmp_path, ONE, replace(TWO, package="0.1.0 (bbbb)"))
    assert line == (
        "The nodes differ in Vitrine: 0.1.0 (aaaa) on 10.0.0.1; 0.1.0 (bbbb) on 10.0.0.2. "
        "Make them the same."
    )


@pytest.mark.parametrize("name", ["RAY_worker_niceness", "RAY_AUTH_MODE"])
def test_a_variable_that_one_node_lacks_is_refused(tmp_path: Path, name: str) -> None:
    """By its name and the node."""
    line = read_refusal(tmp_path, ONE, drop_variable(TWO, name), replace(TWO, node="10.0.0.3"))
    assert line.startswith(f"{name} is not set on 10.0.0.2 (")


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("RAY_AUTH_MODE", "token", "disabled"),
        ("RAY_SERVE_GRPC_MAX_MESSAGE_SIZE", "20065536", "100"),
    ],
)
def test_a_variable_that_differs_is_refused(
    tmp_path: Path, name: str, value: str, other: str
) -> None:
    """With the values, and the nodes that have each."""
    differing = replace(TWO, variables=dict(TWO.variables) | {name: other})
    assert read_refusal(tmp_path, ONE, differing) == (
        f"The nodes differ in {name}: {value} on 10.0.0.1; {other} on 10.0.0.2. Make them the same."
    )


def test_the_program_may_be_at_two_paths(tmp_path: Path) -> None:
    """Where each node is told of its own."""
    variables = dict(TWO.variables) | {BINARY_PATH: "/v/bin/vitrine-haproxy"}
    assert check_nodes(make_config(tmp_path), [ONE, replace(TWO, variables=variables)], {}) == []


def test_what_serve_is_given_may_be_lacked(tmp_path: Path) -> None:
    """By some nodes: it is added to the file."""
    lacking = drop_variable(TWO, "RAY_SERVE_HAPROXY_RETRIES")
    assert check_nodes(make_config(tmp_path), [ONE, lacking], {}) == []


def test_a_variable_that_all_nodes_lack_is_told(tmp_path: Path) -> None:
    """It costs something, but all nodes are the same."""
    nodes = [replace(ONE, variables={})]
    notes = check_nodes(make_config(tmp_path), nodes, {})
    names = list_node_variables()
    assert {note.split(",")[0] for note in notes} == {f"no node has {name}" for name in names}


def test_a_checkpoint_that_one_node_lacks_is_refused(tmp_path: Path) -> None:
    """By the node and the file."""
    lacking = replace(TWO, checkpoint="", checkpoint_error="/m has no model.safetensors. Copy it.")
    assert read_refusal(tmp_path, ONE, lacking) == (
        "Node 10.0.0.2 cannot serve the checkpoint: /m has no model.safetensors. Copy it."
    )
    three = replace(lacking, node="10.0.0.3")
    assert read_refusal(tmp_path, ONE, lacking, three).endswith("The same goes for 1 more.")


def test_two_revisions_of_the_checkpoint_are_refused(tmp_path: Path) -> None:
    """A node that runs no classifier has none, and is no difference."""
    check_nodes(make_config(tmp_path), [ONE, replace(TWO, checkpoint="")], {})
    line = read_refusal(tmp_path, ONE, replace(TWO, checkpoint="5678"))
    assert "differ in the checkpoint: 1234abcd on 10.0.0.1; 5678 on 10.0.0.2" in line


def test_a_setting_that_is_wrong_or_differs_in_the_environment_is_refused(tmp_path: Path) -> None:
    """Any node may build the application; what the file sets is the same on all."""
    wrong = replace(TWO, settings={}, settings_error="VITRINE_MODEL: no")
    assert (
        read_refusal(tmp_path, ONE, wrong) == "Node 10.0.0.2 refuses a setting: VITRINE_MODEL: no."
    )
    other = make_report("10.0.0.2", max_bulk=5)
    assert "differ in VITRINE_MAX_BULK: 64 on 10.0.0.1; 5 on" in read_refusal(tmp_path, ONE, other)
    config = make_config(tmp_path, max_bulk=5)
    assert check_nodes(config, [ONE, other], {}) == []


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    """By the node, and what sets it."""
    taken = replace(TWO, taken={"http_options.port": "8000: Address already in use"})
    assert read_refusal(tmp_path, ONE, taken) == (
        "Node 10.0.0.2 cannot listen on port 8000: Address already in use. "
        "Set http_options.port to a free one."
    )


def test_an_address_that_a_node_does_not_have_is_refused(tmp_path: Path) -> None:
    """No port would help; the line says which address does."""
    path = write_config(tmp_path)
    path.write_text(path.read_text().replace(EVERYWHERE, "10.0.0.1"))
    reason = "Cannot assign requested address"
    taken = {"http_options.port": f"8000: {reason}"}
    with pytest.raises(RolloutError) as caught:
        check_nodes(read_config(path), [ONE, replace(TWO, host_error=reason, taken=taken)], {})
    assert str(caught.value) == (
        f"Node 10.0.0.2 cannot listen on 10.0.0.1: {reason}. Set http_options.host to 0.0.0.0, "
        "which every node has."
    )


def test_a_service_without_keys_is_refused(tmp_path: Path) -> None:
    """Unless the nodes have keys, or the file."""
    bare = make_report("10.0.0.1", allow_unauthenticated=False)
    closed = replace(bare, settings=dict(bare.settings) | {"api_keys": "a hash"})
    config = make_config(tmp_path, allow_unauthenticated=None)
    assert "no key is set" in read_refusal(tmp_path, bare, allow_unauthenticated=None)
    assert check_nodes(config, [closed], {}) == []


def test_a_host_that_other_nodes_do_not_reach_is_refused(tmp_path: Path) -> None:
    """One node alone may listen there."""
    path = write_config(tmp_path)
    path.write_text(path.read_text().replace(EVERYWHERE, "127.0.0.1"))
    config = read_config(path)
    assert check_nodes(config, [ONE], {}) == []
    with pytest.raises(RolloutError, match="the cluster has 2 nodes"):
        check_nodes(config, [ONE, TWO], {})


def test_replicas_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Unless they may wait for nodes that an autoscaler adds."""
    report = make_report("10.0.0.1", classifier_replicas=4)
    assert "5 CPUs and 0 GPUs are needed at once, and the nodes have 4 CPUs" in read_refusal(
        tmp_path, report, classifier_replicas=4
    )
    config = make_config(tmp_path, classifier_replicas=4)
    (note,) = check_nodes(config, [report], {}, may_wait=True)
    assert note.endswith("the nodes have 4 CPUs and 0 GPUs: the others wait for nodes")


def test_an_update_without_surge_is_told_of(tmp_path: Path) -> None:
    """If the new replicas fail, the old ones have ended."""
    path = write_config(tmp_path)
    document = yaml.safe_load(path.read_text())
    del document["applications"][0]["deployments"]
    path.write_text(yaml.safe_dump(document))
    (note,) = check_nodes(read_config(path), [ONE], RUNNING)
    assert note.startswith("without max_surge_percent")
