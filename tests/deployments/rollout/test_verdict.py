"""What the reports of nodes mean for a Serve config file."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from app.deployments.rollout.config import read_config
from app.deployments.rollout.node import NodeReport
from app.deployments.rollout.verdict import check_nodes, count_demand
from app.deployments.serve_environment import list_node_variables
from app.errors import RolloutError
from tests.support.rollouts import make_config, make_report, write_config
from tests.support.service import EVERYWHERE

ONE, TWO = make_report("10.0.0.1"), make_report("10.0.0.2")


def read_refusal(folder: Path, *nodes: NodeReport, **args: object) -> str:
    """Read why a file is refused on these nodes, in one line."""
    with pytest.raises(RolloutError) as caught:
        check_nodes(make_config(folder, **args), nodes, is_update=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_nodes_that_have_everything_are_accepted(tmp_path: Path) -> None:
    """Without a word."""
    assert check_nodes(make_config(tmp_path), [ONE, TWO], is_update=False) == []


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
    lacking = replace(TWO, variables=tuple(one for one in TWO.variables if one != name))
    assert read_refusal(tmp_path, ONE, lacking).startswith(f"{name} is not set on 10.0.0.2 (")


def test_a_variable_that_all_nodes_lack_is_told(tmp_path: Path) -> None:
    """It costs something, but all nodes are the same."""
    nodes = [replace(ONE, variables=())]
    notes = check_nodes(make_config(tmp_path), nodes, is_update=False)
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
    check_nodes(make_config(tmp_path), [ONE, replace(TWO, checkpoint="")], is_update=False)
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
    assert check_nodes(config, [ONE, other], is_update=False) == []


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    """By the node, and what sets it."""
    taken = replace(TWO, taken={"http_options.port": "8000: Address already in use"})
    assert read_refusal(tmp_path, ONE, taken) == (
        "Node 10.0.0.2 cannot listen on port 8000: Address already in use. "
        "Set http_options.port to a free one."
    )


def test_a_service_without_keys_is_refused(tmp_path: Path) -> None:
    """Unless the nodes have keys, or the file."""
    bare = make_report("10.0.0.1", allow_unauthenticated=False)
    closed = replace(bare, settings=dict(bare.settings) | {"api_keys": "a hash"})
    config = make_config(tmp_path, allow_unauthenticated=None)
    assert "no key is set" in read_refusal(tmp_path, bare, allow_unauthenticated=None)
    assert check_nodes(config, [closed], is_update=False) == []


def test_a_host_that_other_nodes_do_not_reach_is_refused(tmp_path: Path) -> None:
    """One node alone may listen there."""
    path = write_config(tmp_path)
    path.write_text(path.read_text().replace(EVERYWHERE, "127.0.0.1"))
    config = read_config(path)
    assert check_nodes(config, [ONE], is_update=False) == []
    with pytest.raises(RolloutError, match="the cluster has 2 nodes"):
        check_nodes(config, [ONE, TWO], is_update=False)


def test_replicas_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Unless they may wait for nodes that an autoscaler adds."""
    report = make_report("10.0.0.1", classifier_replicas=4)
    assert "5 CPUs and 0 GPUs are needed at once, and the nodes have 4 CPUs" in read_refusal(
        tmp_path, report, classifier_replicas=4
    )
    config = make_config(tmp_path, classifier_replicas=4)
    (note,) = check_nodes(config, [report], is_update=False, may_wait=True)
    assert note.endswith("the nodes have 4 CPUs and 0 GPUs: the others wait for nodes")


def test_an_update_needs_room_for_the_surge(tmp_path: Path) -> None:
    """New replicas start beside the old ones, if the file says so."""
    config = make_config(tmp_path)
    assert count_demand(config, [ONE], is_update=False).classifiers == 1
    assert count_demand(config, [ONE], is_update=True).classifiers == 2


def test_an_update_without_surge_is_told_of(tmp_path: Path) -> None:
    """If the new replicas fail, the old ones have ended."""
    path = write_config(tmp_path)
    document = yaml.safe_load(path.read_text())
    del document["applications"][0]["deployments"]
    path.write_text(yaml.safe_dump(document))
    (note,) = check_nodes(read_config(path), [ONE], is_update=True)
    assert note.startswith("without max_surge_percent")


def test_replicas_are_counted_as_serve_will_start_them(tmp_path: Path) -> None:
    """GPUs where there are any, the first number of those that follow the load, and overrides."""
    gpus = replace(ONE, gpus=2.0)
    assert count_demand(make_config(tmp_path), [gpus], is_update=False).gpus_each == 1
    scaled = make_report(
        "10.0.0.1", min_classifier_replicas=2, max_classifier_replicas=5, device="cpu"
    )
    demand = count_demand(make_config(tmp_path), [replace(scaled, gpus=2.0)], is_update=False)
    assert (demand.classifiers, demand.gpus_each) == (2, 0)
    path = write_config(tmp_path)
    document = yaml.safe_load(path.read_text())
    actors = {"num_cpus": 0, "num_gpus": 0.5}
    document["applications"][0]["deployments"][1] |= {
        "num_replicas": 3,
        "ray_actor_options": actors,
    }
    path.write_text(yaml.safe_dump(document))
    demand = count_demand(read_config(path), [ONE], is_update=False)
    assert (demand.classifiers, demand.cpus_each, demand.gpus_each) == (3, 0, 0.5)
