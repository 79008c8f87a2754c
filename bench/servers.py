"""The two servers: how each is started, where it answers and what it answers.

Both have the same shape, so any two can be compared. Knows no load, no process and no table.
"""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from bench.images import BOUNDARY, Picture

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINT = ROOT / "app" / "demo" / "checkpoint"
LITSERVE_VENV = ROOT / "bench" / ".venv-litserve"
LITSERVE_PINS = ROOT / "bench" / "requirements-litserve.txt"
ANSWER_LIMIT_S = 10.0


class BenchError(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True)
class Server:
    """How to start one server, where it answers, and the signal that ends it within the limit."""

    name: str
    command: tuple[str, ...]
    port: int
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 30.0

    @property
    def url(self) -> str:
        """Return the address of the server, without a path."""
        return f"http://127.0.0.1:{self.port}"


def find_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_vitrine(name: str = "vitrine", **settings: str) -> Server:
    """Return Vitrine as it comes, but for its address and the settings that are given."""
    port = find_port()
    env = {"VITRINE_HOST": "127.0.0.1", "VITRINE_PORT": str(port)} | settings
    return Server(name, (sys.executable, "-m", "app.cli", "serve"), port, env)


def make_litserve(checkpoint: Path = CHECKPOINT) -> Server:
    """Return LitServe from its own venv.

    Ctrl+C is the end that it documents; how long it takes is no part of the comparison.
    """
    port = find_port()
    python = str(LITSERVE_VENV / "bin" / "python")
    script = str(ROOT / "bench" / "litserve_server.py")
    command = (python, script, "--checkpoint", str(checkpoint), "--port", str(port))
    return Server("litserve", command, port, stop_signal=signal.SIGINT, stop_limit_s=3.0)


def install_litserve() -> None:
    """Make the venv of LitServe, unless it is there and was made from the same pins."""
    pins, made_from = LITSERVE_PINS.read_text(), LITSERVE_VENV / "pins.txt"
    if made_from.exists() and made_from.read_text() == pins:
        return
    print("installing LitServe into its own venv, once", file=sys.stderr)
    subprocess.run((sys.executable, "-m", "venv", "--clear", LITSERVE_VENV), check=True)
    python = LITSERVE_VENV / "bin" / "python"
    install = (python, "-m", "pip", "install", "--quiet", "-r", LITSERVE_PINS)
    subprocess.run(install, check=True, stdout=sys.stderr)
    made_from.write_text(pins)


def ask(url: str, picture: Picture | None = None) -> bytes | None:
    """Return the body of a 200, or nothing; a picture is sent as a multipart form."""
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} if picture else {}
    request = urllib.request.Request(url, picture.body() if picture else None, headers)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=ANSWER_LIMIT_S) as answer:
            return bytes(answer.read()) if answer.status == HTTPStatus.OK else None
    except (urllib.error.URLError, OSError):
        return None


def classify(server: Server, picture: Picture) -> tuple[str, float]:
    """Return the label and the score that come first for the picture."""
    body = ask(f"{server.url}/predict", picture)
    if body is None:
        raise BenchError(f"{server.name} does not answer the {picture.name}")
    best = json.loads(body)["predictions"][0]
    return str(best["label"]), float(best["score"])
