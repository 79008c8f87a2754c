"""Classifiers that end without traffic, and start with the next image; the GPUs are simulated."""

import time
from dataclasses import replace

import httpx

from tests.support.head_node import Head, start_head
from tests.support.ports import find_port
from tests.support.service import SEVEN

IDLE_S = 3.0


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
