"""`app.deployments:build` under Serve's own command, without `vitrine serve`."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import httpx

from tests.support.ports import find_port
from tests.support.service import ROOT, SEVEN, make_environment, start_process
from tests.support.uploads import make_upload

_SERVE = str(Path(sys.executable).with_name("serve"))
_READ_SETTINGS = dedent(
    """
    import json
    import sys

    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary

    from app.deployments import build

    ingress = call_user_app_builder_with_args_if_necessary(build, json.loads(sys.argv[1]))
    print(ingress._bound_deployment.init_args[0].model_dump_json())
    """
)


def write_config(folder: Path, port: int) -> Path:
    """Copy the Serve config file that is in the repository, with another port."""
    text = (ROOT / "deploy" / "serve.yaml").read_text()
    assert text.count("port: 8000") == 1
    config = folder / "serve.yaml"
    config.write_text(text.replace("port: 8000", f"port: {port}"))
    return config


def test_serve_runs_the_config_file(tmp_path: Path) -> None:
    """`serve run` with the config file in the repository serves, and Ctrl-C ends it."""
    port = find_port()
    config = str(write_config(tmp_path, port))
    command = [_SERVE, "run", "--address", "local", config]
    with start_process(tmp_path, command, port, make_environment(device="cpu")) as service:
        service.wait_until_ready()
        with httpx.Client(timeout=60) as client:
            response = client.send(make_upload(SEVEN.read_bytes(), url=service.url))
        assert response.json()["predictions"][0]["label"] == "7"
        assert len(response.headers.get_list("x-request-id")) == 1
        service.stop(signal.SIGINT)
        assert service.list_processes() == []


def read_settings(arguments: dict[str, object], **environment: str) -> dict[str, object]:
    """Let Serve call `build` with arguments; gives the settings that the ingress would get."""
    done = subprocess.run(
        [sys.executable, "-c", _READ_SETTINGS, json.dumps(arguments)],
        cwd=ROOT,
        env=make_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    settings: dict[str, object] = json.loads(done.stdout)
    return settings


def test_arguments_of_serve_become_settings() -> None:
    """What `serve run app.deployments:build key=value` passes is validated, the rest is read."""
    given = {"device": "cpu", "batch_size": "8", "max_bytes": 1000}
    settings = read_settings(given, max_queue="7", batch_size="9")
    expected = {"device": "cpu", "batch_size": 8, "max_bytes": 1000, "max_queue": 7}
    assert {name: settings[name] for name in expected} == expected
    assert settings["model"] == "bundled"
