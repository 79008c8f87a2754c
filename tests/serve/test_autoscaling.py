"""Classifiers that end without traffic, and start with the next image; the GPUs are simulated."""

import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from app.deployments.serve_environment import list_serve_variables
from tests.support.head_node import BIN, Head, start_head
from tests.support.ports import find_port
from tests.support.service import ROOT, SEVEN

IDLE_S = 3.0


def write_config(head: Head, port: int) -> Path:
    """Write a Serve config file of the simulated application, which may scale to zero."""
    program = head.environment["RAY_SERVE_HAPROXY_BINARY_PATH"]
    args = {"min_classifier_replicas": 0, "max_classifier_replicas": 2, "scale_down_s": IDLE_S}
    build = "tests.support.simulated_app:build"
    config = {
        "http_options": {"host": "127.0.0.1", "port": port},
        "controller_options": {"runtime_env": {"env_vars": list_serve_variables(10**7, program)}},
        "applications": [{"name": "vitrine", "import_path": build, "args": args}],
    }
    path = head.folder / "zero.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def count_classifiers(head: Head) -> int:
    """Count the classifiers that run."""
    return head.count_replicas()["Classifier"]


def test_classifiers_end_without_traffic_and_start_with_it() -> None:
    """Probes keep none alive and start none; the image that starts one waits, and is answered."""
    with start_head() as head:
        port = find_port()
        command = (BIN / "serve", "deploy", "--address", head.dashboard, write_config(head, port))
        subprocess.run(command, env=head.environment, cwd=ROOT, stdout=sys.stderr, check=True)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

            def predict() -> httpx.Response:
                return client.post("/predict/raw", content=SEVEN.read_bytes())

            _wait_until_served(client)
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


def _wait_until_served(client: httpx.Client) -> None:
    """Wait until the application answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if client.get("/labels").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail("it does not answer")
