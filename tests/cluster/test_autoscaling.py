"""Classifiers whose number follows the traffic, from none; the GPUs are simulated."""

import asyncio
import time
from dataclasses import replace
from functools import partial

import httpx

from tests.cluster.conftest import wait_until
from tests.support.head_node import Head, start_head
from tests.support.load import Load, make_request
from tests.support.ports import find_port
from tests.support.service import SEVEN

IDLE_S = 3.0
MOST, CLIENTS = 3, 16
"""Classifiers, and clients that are enough for one more: each has four images of full load."""


def count_classifiers(head: Head) -> int:
    """Count the classifiers that run."""
    return head.count_replicas()["Classifier"]


def test_classifiers_end_without_traffic_and_start_with_it() -> None:
    """Probes keep none alive and start none; the image that starts one waits, and is answered."""
    with start_head() as head:
        port = find_port()
        head.deploy_simulated(
            port, min_classifier_replicas=0, max_classifier_replicas=2, scale_down_s=IDLE_S
        )
        replace(head.service, port=port).wait_until_ready()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

            def predict() -> httpx.Response:
                return client.post("/predict/raw", content=SEVEN.read_bytes())

            assert predict().status_code == 200
            assert count_classifiers(head) == 1
            deadline = time.monotonic() + 60
            while count_classifiers(head):
                for path in ("/readyz", "/health"):
                    assert (answer := client.get(path)).status_code == 200, answer.text
                assert time.monotonic() < deadline, "probes keep a classifier alive"
                time.sleep(0.2)
            for _ in range(20):
                assert (answer := client.get("/readyz")).status_code == 200, answer.text
                time.sleep(0.1)
            assert count_classifiers(head) == 0
            assert client.get("/health").json()["model"]["id"] == "simulated"
            assert predict().status_code == 200
            assert count_classifiers(head) == 1


def test_a_new_version_keeps_the_number_that_the_load_has_asked_for() -> None:
    """Until all classifiers are new ones, never fewer run than before."""
    with start_head(cpus=2 * (1 + MOST)) as head:
        port = find_port()
        bounds = {"min_classifier_replicas": 1, "max_classifier_replicas": MOST}
        deploy = partial(head.deploy_simulated, port, **bounds, scale_down_s=300)
        deploy()
        replace(head.service, port=port).wait_until_ready()

        def scale_and_redeploy() -> None:
            wait_until(lambda: count_classifiers(head) == MOST)
            old = set(head.list_replicas())
            deploy(timeout_s=25)

            def is_replaced() -> bool:
                replicas = head.list_replicas()
                running = {one for one in replicas if one.deployment == "Classifier"}
                # While Serve builds the application it tells of no replica of any deployment.
                assert not replicas or len(running) >= MOST
                return bool(replicas) and not running & old

            wait_until(is_replaced)

        load = Load([("127.0.0.1", port)], make_request(SEVEN.read_bytes()))
        asyncio.run(load.run(CLIENTS, scale_and_redeploy))
