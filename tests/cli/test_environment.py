"""`vitrine env`: what a shell, an image and a pod make of it."""

import os
import re
import subprocess
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from app.cli.environment import list_environment
from app.deployments.haproxy_config import find_program
from app.deployments.serve_environment import list_node_variables, list_serve_variables
from tests.support.service import run_cli

SERVE = list_serve_variables(1000, str(find_program()))
NODE = list_node_variables()
"""What is wanted; the token is each cluster's own."""


def read_lines(name: str) -> str:
    """Read what the command prints."""
    done = run_cli("env", "--format", name, max_bytes="1000")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_shell_sets_all_variables(tmp_path: Path) -> None:
    """Values with spaces too; it leaves out the token, and says so."""
    text = read_lines("dotenv")
    (tmp_path / "env").write_text(text)
    command = ["sh", "-c", f"set -a; . {tmp_path}/env; env -0"]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"]}, capture_output=True, check=True
    )
    got = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line[:3] == "RAY")
    assert got == NODE | SERVE
    assert "# RAY_AUTH_TOKEN too" in text


def test_a_dockerfile_sets_all_variables() -> None:
    """One instruction each; a secret has no place in an image."""
    got = dict(re.findall(r'^ENV (\w+)="(.*)"$', read_lines("docker"), re.MULTILINE))
    assert got == NODE | SERVE


def test_a_pod_gets_all_variables() -> None:
    """As entries of `env`; keys come from a Secret, and the token by KubeRay's authOptions."""
    entries = yaml.safe_load(read_lines("kuberay"))
    keys = {"secretKeyRef": {"name": "vitrine", "key": "api_keys"}}
    assert {"name": "VITRINE_API_KEYS", "valueFrom": keys} in entries
    got = {entry["name"]: entry["value"] for entry in entries if "value" in entry}
    assert got == NODE | SERVE


def test_variables_of_traces_are_listed_but_for_headers() -> None:
    """They are needed where replicas run; headers often are a secret."""
    known = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_SERVICE_NAME": "a b"}
    secret = {
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=secret",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x",
    }
    lines = list(list_environment(1000, "dotenv", known | secret | {"PATH": "/bin"}))
    assert lines[-2:] == [
        "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4317",
        "OTEL_SERVICE_NAME='a b'",
    ]
    assert not [line for line in lines if "secret" in line and "HEADERS" in line]
