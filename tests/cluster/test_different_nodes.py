"""`vitrine deploy` to nodes that differ: one line that names the node, and what serves goes on."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.classifier.checkpoint.files import BUNDLED
from tests.cluster.conftest import deploy, list_nodes, open_cluster, read_refusal, wait_until
from tests.support.checkpoints import copy_checkpoint
from tests.support.nodes import Cluster, Node
from tests.support.serve_file import read_bounds

LACKED = "RAY_worker_niceness"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes that serve, with the bounds of the file itself."""
    with open_cluster(2) as made:
        deploy(made, **read_bounds())
        yield made


def read_refusal_of_another(cluster: Cluster, **args: object) -> str:
    """Read why the same file with another batch size is refused."""
    return read_refusal(cluster, **read_bounds(), **args, batch_size=8)


def hide(node: Node, folder: Path) -> None:
    """Hide a folder from the processes of a node: an empty one is mounted over it."""
    assert node.process is not None
    inside = ("nsenter", "--target", str(node.process.pid), "--mount")
    subprocess.run([*inside, "mount", "-t", "tmpfs", "none", str(folder)], check=True)


def test_the_file_itself_starts_as_many_as_it_says(cluster: Cluster) -> None:
    """Without traffic the lower bounds are the numbers."""
    least = {name: number for name, number in read_bounds().items() if name.startswith("min_")}
    kinds = Counter(one.deployment for one in cluster.list_replicas())
    assert kinds == {
        "Ingress": least["min_ingress_replicas"],
        "Classifier": least["min_classifier_replicas"],
    }


def test_a_checkpoint_that_one_node_lacks(cluster: Cluster, tmp_path: Path) -> None:
    """The line names the node and the folder."""
    model = copy_checkpoint(BUNDLED, tmp_path / "model")
    node = cluster.workers[0]
    hide(node, model)
    line = read_refusal_of_another(cluster, model=str(model))
    assert line.startswith(f"Node {node.address} cannot serve the checkpoint: {model} ")


def test_two_versions_of_the_package(cluster: Cluster) -> None:
    """The line names both, and who has which."""
    changed = cluster.workers[0].code / "app" / "errors.py"
    before = changed.read_text()
    changed.write_text(before + "\n# a change\n")
    line = read_refusal_of_another(cluster)
    changed.write_text(before)
    assert line.startswith("The nodes differ in Vitrine: ")
    for node in cluster.nodes:
        assert f") on {node.address}" in line


def test_a_variable_that_one_node_lacks(cluster: Cluster) -> None:
    """The line names it, the node, and what it costs."""
    node = cluster.workers[0]
    node.kill()
    del node.environment[LACKED]
    cluster.start_worker(node)
    wait_until(lambda: len(list_nodes(cluster)) == len(cluster.nodes))  # without the one that died
    line = read_refusal_of_another(cluster)
    assert line.startswith(f"{LACKED} is not set on {node.address} (")
    assert line.endswith("`vitrine env` lists what to set.")
