"""Which node is asked what, and what is made of the answers."""

import pytest

from app.deployments.rollout.inspection import give_reason, select_question
from app.deployments.rollout.node import NodeQuestion

HEAD, WORKER = {"CPU": 2.0, "node:__internal_head__": 1.0}, {"CPU": 2.0}
EVERYWHERE = "0.0.0.0"  # noqa: S104
PORTS = {"http_options.port": (EVERYWHERE, 8000)}


@pytest.mark.parametrize(
    ("proxies", "on_head", "on_worker"),
    [("EveryNode", True, True), ("HeadOnly", True, False), ("Disabled", False, False)],
)
def test_ports_are_asked_for_where_a_proxy_will_be(
    proxies: str, *, on_head: bool, on_worker: bool
) -> None:
    """Another program may have them elsewhere; the address is that of replicas there."""
    question = NodeQuestion({}, EVERYWHERE, PORTS, "10.0.0.1", proxies)
    for resources, has_proxy in ((HEAD, on_head), (WORKER, on_worker)):
        own = select_question(question, resources, with_gpus=False)
        expected = (EVERYWHERE, PORTS) if has_proxy else ("10.0.0.1", {})
        assert (own.host, own.ports) == expected


@pytest.mark.parametrize(
    ("resources", "device", "with_gpus", "expected"),
    [
        ({"CPU": 1.0}, "auto", False, True),
        ({"CPU": 1.0}, "auto", True, False),
        ({"CPU": 1.0}, "cpu", True, True),
        ({"GPU": 1.0}, "auto", True, True),
        ({}, "auto", False, False),
    ],
)
def test_the_checkpoint_is_asked_for_where_a_classifier_may_run(
    resources: dict[str, float], device: str, *, with_gpus: bool, expected: bool
) -> None:
    """On GPUs, where any node has some and the device is not the CPU."""
    question = NodeQuestion({"device": device})
    assert select_question(question, resources, with_gpus=with_gpus).loads_model == expected


def test_the_reason_is_the_last_line_of_an_error() -> None:
    """An error without a word has its type."""
    assert give_reason(RuntimeError("one\n two \n")) == "two"
    assert give_reason(RuntimeError("\n")) == "RuntimeError"
