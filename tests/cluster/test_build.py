"""`app.deployments:build` under Serve's own command, without `vitrine serve`."""

import signal
import sys
from pathlib import Path

import httpx

from tests.support.ports import find_port
from tests.support.service import ROOT, SEVEN, make_environment, start_process
from tests.support.uploads import make_upload

_SERVE = str(Path(sys.executable).with_name("serve"))


def write_config(folder: Path, port: int) -> Path:
    """Copy the Serve config file for one machine that is in the repository, with another port."""
    text = (ROOT / "deploy" / "serve.local.yaml").read_text()
    assert text.count("port: 8000") == 1
    config = folder / "serve.yaml"
    config.write_text(text.replace("port: 8000", f"port: {port}"))
    return config


def test_serve_runs_the_config_file(tmp_path: Path) -> None:
    """`serve run` with the config file for one machine serves, and Ctrl-C ends it."""
    port = find_port()
    config = str(write_config(tmp_path, port))
    command = [_SERVE, "run", "--address", "local", config]
    with start_process(tmp_path, command, port, make_environment(device="cpu")) as service:
        service.wait_until_ready()
        request = make_upload(SEVEN.read_bytes(), url=service.url)
        with httpx.Client(timeout=60) as client:
            response = client.send(request)
        assert response.json()["predictions"][0]["label"] == "7"
        assert len(response.headers.get_list("x-request-id")) == 1
        service.stop(signal.SIGINT)
        service.assert_ended()
