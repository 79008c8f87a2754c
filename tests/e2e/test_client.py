"""Clients generated from openapi/openapi.json, as `make clients` does, against the service."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import ANN, ROOT, SEVEN, Service

BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
Answers = dict[str, Any]


def run(command: list[str | Path], folder: Path, **variables: str) -> str:
    """Run a command, which must succeed; gives what it prints."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy openapi/, so that what is generated lands elsewhere."""
    folder = tmp_path_factory.mktemp("clients") / "openapi"
    shutil.copytree(
        ROOT / "openapi", folder, ignore=shutil.ignore_patterns("clients", "node_modules")
    )
    return folder


@pytest.fixture(scope="module")
def python(openapi: Path) -> list[str | Path]:
    """Generate the Python client, with nothing to complain of, and check its types and ours."""
    command = ["openapi-python-client", "generate", "--path", "openapi.json"]
    command += ["--config", "python/config.yaml", "--output-path", "clients/python"]
    run([*command, "--fail-on-warning"], openapi)
    path = str(openapi / "clients" / "python")
    example = openapi / "python" / "example.py"
    run([sys.executable, "-m", "mypy", "--strict", example], openapi / "python", MYPYPATH=path)
    return ["env", f"PYTHONPATH={path}", sys.executable, example]


@pytest.fixture(scope="module")
def typescript(openapi: Path) -> list[str | Path]:
    """Generate the TypeScript client, and check its types and those of what uses it."""
    folder = openapi / "typescript"
    run(["npm", "install", "--no-package-lock", "--silent"], folder)
    run(["npm", "run", "--silent", "generate"], folder)
    run(["npm", "run", "--silent", "check"], folder)
    return [folder / "node_modules" / ".bin" / "tsx", folder / "example.ts"]


@pytest.fixture(params=["python", "typescript"])
def ask(request: pytest.FixtureRequest, openapi: Path, tmp_path: Path) -> Callable[..., Answers]:
    """Ask a service everything with one of the clients."""
    command = request.getfixturevalue(request.param)
    text = tmp_path / "note.jpg"
    text.write_text("I am no picture.")

    def ask_all(url: str, *key: str) -> Answers:
        answers: Answers = json.loads(run([*command, url, SEVEN, text, *key], openapi))
        return answers

    return ask_all


def test_a_generated_client_speaks_to_the_service(
    ask: Callable[..., Answers], service: Service
) -> None:
    """Each of its functions sends an image, and reads the same prediction as types."""
    answers = ask(service.url)
    one = answers["predict"]
    assert one["predictions"][0]["label"] == "7"
    assert (len(one["predictions"]), len(one["scores"])) == (2, 10)
    assert answers["raw"] == answers["json"] == one
    assert [item["result"] for item in answers["batch"]["results"]] == [one, one]
    assert answers["batchJson"]["results"][0]["result"]["predictions"][:2] == one["predictions"]
    scored = [{name: each[name] for name in ("label", "score")} for each in one["predictions"]]
    assert answers["task"] == scored
    assert answers["model"]["versions"] == [answers["infer"]["model_version"]]
    assert answers["infer"]["outputs"][0]["data"] == one["scores"]
    assert [one["label"] for one in answers["labels"]["labels"]] == list("0123456789")
    assert answers["health"]["status"] == "ok"
    assert answers["refused"]["status"] == 415
    assert answers["refused"]["type"] == "urn:vitrine:problem:unsupported-media-type"


def test_a_generated_client_sends_a_key(ask: Callable[..., Answers], closed: Service) -> None:
    """Without one it reads a problem of its type."""
    assert ask(closed.url, ANN)["predict"]["predictions"][0]["label"] == "7"
    assert ask(closed.url)["refused"]["type"] == "urn:vitrine:problem:unauthorized"
