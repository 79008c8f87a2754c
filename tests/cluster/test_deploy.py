"""`vitrine deploy` against a head node of our own, in the order in which a cluster meets it."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from app.auth.keys import hash_key
from app.classifier.checkpoint.files import BUNDLED
from app.deployments.serve_environment import list_variables
from tests.support.head_node import Head, start_head
from tests.support.ports import find_port
from tests.support.serve_file import read_serve_file
from tests.support.service import ANN, ROOT, SEVEN
from tests.support.uploads import make_upload

PORT = find_port()
URL = f"http://127.0.0.1:{PORT}"
SERVE = tuple(list_variables("serve", grpc_bytes=0, haproxy=1, program=""))
CPUS = 4
"""Room for two replicas and for the two that replace them."""


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A head node that lacks Serve's variables, so that they have to be in the file."""
    with start_head(CPUS, without=SERVE) as running:
        yield running


def deploy(
    head: Head, args: Mapping[str, object] | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Deploy the file that is in the repository, with a key, on this machine alone."""
    own = {"api_keys": f"ann:{hash_key(ANN)}", "device": "cpu"}
    config = read_serve_file(**own | dict(args or {}))
    config["http_options"] |= {"host": "127.0.0.1", "port": PORT}
    path = head.folder / "serve.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "app.cli.main", "deploy", "--address", head.dashboard]
    return subprocess.run(
        [*command, str(path)],
        cwd=ROOT,
        env=head.environment | variables,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def read_refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Read the one line with which a deployment is refused."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return line.removeprefix("vitrine: ")


def test_a_port_that_is_taken_is_refused(head: Head) -> None:
    """Before Serve starts, because it would never serve there; the line names node and port."""
    with socket.create_server(("127.0.0.1", PORT)):
        line = read_refusal(deploy(head))
    assert line == (
        f"Node 127.0.0.1 cannot listen on port {PORT}: Address already in use. "
        "Set http_options.port to a free one."
    )


def test_a_checkpoint_that_a_node_lacks_is_refused(head: Head, tmp_path: Path) -> None:
    """The line names the node and the file."""
    folder = shutil.copytree(BUNDLED, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    line = read_refusal(deploy(head, {"model": str(folder)}))
    assert line.startswith(f"Node 127.0.0.1 cannot serve the checkpoint: {folder} has no weights")
    assert "model.safetensors" in line


def test_replicas_that_do_not_fit_are_refused(head: Head) -> None:
    """At once, instead of a rollout that waits for ever."""
    line = read_refusal(deploy(head, {"classifier_replicas": CPUS}))
    assert f"{CPUS + 1} CPUs and 0 GPUs are needed at once, and the nodes have {CPUS} CPUs" in line


def test_a_wrong_token_is_refused(head: Head) -> None:
    """The line says what to set, and shows no token."""
    wrong = "ab" * 32
    line = read_refusal(deploy(head, RAY_AUTH_TOKEN=wrong))
    assert line.startswith(f"{head.dashboard} refuses the token. Set RAY_AUTH_MODE=token")
    assert wrong not in line


def test_keys_in_clear_are_refused(head: Head) -> None:
    """Serve keeps the file; the line does not show the key."""
    line = read_refusal(deploy(head, {"api_keys": f"ann:{ANN}"}))
    assert "api_keys takes name:sha256:HASH alone" in line
    assert ANN not in line


@pytest.fixture(scope="module")
def deployed(head: Head) -> subprocess.CompletedProcess[str]:
    """The command's end with a good file."""
    return deploy(head)


def test_a_good_config_is_followed_until_it_serves(
    deployed: subprocess.CompletedProcess[str],
) -> None:
    """With a line for each change; when it serves, the exit code is 0. A path is corrected."""
    assert (deployed.returncode, deployed.stderr) == (0, "")
    lines = [re.sub(r"^\[ *[\d.]+ s\] ", "", line) for line in deployed.stdout.splitlines()]
    assert lines[0] == "checked 127.0.0.1"
    assert lines[1].startswith("note: added to controller_options: RAY_SERVE_HAPROXY_BINARY_PATH=/")
    assert lines[-2:] == ["Classifier 1 of 1, Ingress 1 of 1", "serving"]
    assert httpx.get(f"{URL}/readyz").status_code == 200
    with httpx.Client(timeout=60) as client:
        answer = client.send(make_upload(SEVEN.read_bytes(), url=URL, headers={"X-API-Key": ANN}))
    assert answer.json()["predictions"][0]["label"] == "7"
    assert answer.headers["X-Request-ID"]


@pytest.mark.usefixtures("deployed")
def test_a_rollout_that_fails_leaves_what_served(head: Head) -> None:
    """New replicas that cannot start are told of in one line, and the old ones answer."""
    line = read_refusal(deploy(head, {"engine": "compile", "precision": "int8"}))
    assert line.startswith("vitrine is DEPLOY_FAILED: VITRINE_PRECISION=int8, but ")
    assert line.endswith("The replicas that run go on serving.")
    assert httpx.get(f"{URL}/readyz").status_code == 200
