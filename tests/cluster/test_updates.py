"""Rolling updates under load: of the weights, and of the code."""

import time
from pathlib import Path

import httpx

from app.classifier.checkpoint.files import BUNDLED
from tests.cluster.conftest import deploy, run_load, wait_until
from tests.support.checkpoints import copy_checkpoint, edit_json
from tests.support.load import Load, read_answer
from tests.support.nodes import Cluster


def test_new_weights_lose_nothing(two_nodes: Cluster, tmp_path: Path) -> None:
    """Each label is one of the revision that is named beside it; at last all are the new one's."""
    model = copy_checkpoint(BUNDLED, tmp_path / "model")
    labels = {str(number): f"new {number}" for number in range(10)}
    names = {name: int(number) for number, name in labels.items()}
    edit_json(model / "config.json", id2label=labels, label2id=names)

    def update(_: Load) -> None:
        deploy(two_nodes, model=str(model))
        wait_until_updated(two_nodes)

    load = run_load(two_nodes, update)
    assert load.list_failed() == []
    answers = {read_answer(one) for one in load.outcomes}
    assert len({revision for revision, _ in answers}) == 2
    assert len(answers) == 2, "a label of one revision was named with the other"
    last = sorted(load.outcomes, key=lambda one: one.ended)[-20:]
    assert {read_answer(one)[1] for one in last} == {"new 7"}


def test_new_code_loses_nothing(two_nodes: Cluster) -> None:
    """The packages change on every node, and then what a config says of the release."""

    def update(_: Load) -> None:
        for node in two_nodes.nodes:
            path = node.code / "app" / "api" / "http" / "factory.py"
            path.write_text(path.read_text().replace('title="Vitrine"', 'title="Another"'))
        assert read_titles(two_nodes) == {"Vitrine"}
        deploy(two_nodes, release="2")
        wait_until_updated(two_nodes)

    assert run_load(two_nodes, update).list_failed() == []
    assert read_titles(two_nodes) == {"Another"}


def read_titles(cluster: Cluster) -> set[str]:
    """Read the title of the OpenAPI document, often enough to meet every ingress."""
    urls = [f"{node.url}/openapi.json" for node in cluster.nodes]
    return {httpx.get(url).json()["info"]["title"] for url in urls for _ in range(10)}


def read_status(cluster: Cluster) -> str:
    """Read what Serve says of the application."""
    return cluster.head.run("serve", "status", "--address", cluster.dashboard)


def wait_until_updated(cluster: Cluster) -> None:
    """Wait until Serve has replaced every replica."""
    busy = ("UPDATING", "DEPLOYING", "STARTING", "STOPPING")
    wait_until(lambda: not any(word in read_status(cluster) for word in busy), timeout_s=240)


def test_an_update_that_fails_leaves_what_serves(two_nodes: Cluster, tmp_path: Path) -> None:
    """A checkpoint that does not load costs no request."""
    model = copy_checkpoint(BUNDLED, tmp_path / "broken")
    (model / "model.safetensors").write_bytes(b"no weights")

    def update(_: Load) -> None:
        deploy(two_nodes, model=str(model))
        wait_until(lambda: "DEPLOY_FAILED" in read_status(two_nodes))
        time.sleep(5)

    assert run_load(two_nodes, update).list_failed() == []
