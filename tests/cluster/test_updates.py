"""Rolling updates under load: of the weights, and of the code."""

import time
from pathlib import Path

import httpx

from app.classifier.checkpoint.files import BUNDLED
from tests.cluster.conftest import deploy, read_refusal, run_load, wait_until
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
        wait_until_old_ones_ended(two_nodes)

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
        wait_until_old_ones_ended(two_nodes)

    assert run_load(two_nodes, update).list_failed() == []
    assert read_titles(two_nodes) == {"Another"}


def read_titles(cluster: Cluster) -> set[str]:
    """Read the title of the OpenAPI document, often enough to meet every ingress."""
    urls = [f"{node.url}/openapi.json" for node in cluster.nodes]
    return {httpx.get(url).json()["info"]["title"] for url in urls for _ in range(10)}


def wait_until_old_ones_ended(cluster: Cluster) -> None:
    """Wait until the replicas that were replaced have ended, too."""
    command = ("serve", "status", "--address", cluster.dashboard)
    wait_until(lambda: "STOPPING" not in cluster.head.run(*command), timeout_s=240)


def test_an_update_that_fails_leaves_what_serves(two_nodes: Cluster, tmp_path: Path) -> None:
    """A checkpoint whose weights no node can load costs no request.

    Only loading them can tell: of a pickle's content nothing is known before.
    """
    model = copy_checkpoint(BUNDLED, tmp_path / "broken")
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(b"no weights")
    before = set(two_nodes.list_replicas())
    lines = []

    def update(_: Load) -> None:
        lines.append(read_refusal(two_nodes, model=str(model)))
        time.sleep(5)

    assert run_load(two_nodes, update).list_failed() == []
    assert lines[0].startswith("vitrine is DEPLOY_FAILED: ")
    assert lines[0].endswith("The replicas that run go on serving.")
    running = {one for one in two_nodes.list_replicas() if one.deployment == "Classifier"}
    assert running == {one for one in before if one.deployment == "Classifier"}
