"""A Python client generated from openapi/openapi.json, against the running service."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.serve.service import ROOT, SEVEN, Service

_SCRIPT = dedent(
    """
    import json
    import pathlib
    import sys

    from vitrine_client import Client
    from vitrine_client.api.health import health
    from vitrine_client.api.prediction import labels, predict
    from vitrine_client.models import BodyPredict, Problem
    from vitrine_client.types import File

    client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)


    def send(path):
        path = pathlib.Path(path)
        with path.open("rb") as payload:
            file = File(payload=payload, file_name=path.name)
            return predict.sync(client=client, body=BodyPredict(file=file), top_k=2)


    refused = send(sys.argv[3])
    assert isinstance(refused, Problem), refused
    values = {
        "predict": send(sys.argv[2]),
        "labels": labels.sync(client=client),
        "health": health.sync(client=client),
        "refused": refused,
    }
    print(json.dumps({name: value.to_dict() for name, value in values.items()}))
    """
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate the client, with nothing to complain of; gives the folder to import it from."""
    folder = tmp_path_factory.mktemp("client")
    source, config = ROOT / "openapi" / "openapi.json", ROOT / "openapi" / "python-client.yaml"
    command = [str(Path(sys.executable).with_name("openapi-python-client")), "generate"]
    command += ["--path", str(source), "--config", str(config)]
    command += ["--output-path", str(folder / "python"), "--fail-on-warning"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "python"


def test_a_generated_client_speaks_to_the_service(
    client: Path, service: Service, tmp_path: Path
) -> None:
    """It sends a picture as a file, and reads predictions, labels, health and problems as types."""
    text = tmp_path / "note.jpg"
    text.write_text("I am no picture.")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, service.url, SEVEN, text],
        env=os.environ | {"PYTHONPATH": str(client)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["predict"]["predictions"][0]["label"] == "7"
    assert len(values["predict"]["predictions"]) == 2
    assert [one["label"] for one in values["labels"]["labels"]] == list("0123456789")
    assert values["health"]["status"] == "ok"
    assert values["refused"]["status"] == 415
    assert values["refused"]["type"] == "urn:vitrine:problem:unsupported-media-type"
