"""`app.deployments:build` under Serve's own command, without `vitrine serve`."""

import signal
import sys
from pathlib import Path

import httpx

from app.auth.keys import hash_key
from tests.support.ports import find_port
from tests.support.service import ANN, ROOT, SEVEN, make_environment, start_process
from tests.support.uploads import make_upload

_SERVE = str(Path(sys.executable).with_name("serve"))


def write_config(folder: Path, port: int) -> Path:
    """Copy the Serve config file that is in the repository, with a key, on this machine alone."""
    text = (ROOT / "deploy" / "serve.yaml").read_text()
    changes = {
        "port: 8000": f"port: {port}",
        "host: 0.0.0.0": "host: 127.0.0.1",
        "ann:sha256:HASH": f"ann:{hash_key(ANN)}",
    }
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    config = folder / "serve.yaml"
    config.write_text(text)
    return config


def test_serve_runs_the_config_file(tmp_path: Path) -> None:
    """`serve run` with the config file in the repository serves, and Ctrl-C ends it."""
    port = find_port()
    config = str(write_config(tmp_path, port))
    command = [_SERVE, "run", "--address", "local", config]
    with start_process(tmp_path, command, port, make_environment(device="cpu")) as service:
        service.wait_until_ready()
        request = make_upload(SEVEN.read_bytes(), headers={"X-API-Key": ANN}, url=service.url)
        with httpx.Client(timeout=60) as client:
            response = client.send(request)
        assert response.json()["predictions"][0]["label"] == "7"
        assert len(response.headers.get_list("x-request-id")) == 1
        service.stop(signal.SIGINT)
        service.assert_ended()
