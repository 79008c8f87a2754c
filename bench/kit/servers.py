"""Vitrine and what every server of the benchmark is: how it is started and where it answers.

All have the same shape, so any can be compared. Knows no load, no process and no table.
"""

import json
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from bench.kit.images import BOUNDARY, Picture
from tests.support.ports import find_port

ROOT = Path(__file__).resolve().parents[2]
ANSWER_LIMIT_S = 60.0

Scores = dict[str, float]
"""The labels that a server names first, with their scores."""


class BenchError(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True)
class Server:
    """How to start one server, where it answers, and the signal that ends it within the limit.

    Attributes:
        is_exact: its scores must be those of the others; not so where settings change them.
    """

    name: str
    command: tuple[str, ...]
    port: int
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 30.0
    is_exact: bool = True

    @property
    def url(self) -> str:
        """Return the address of the server, without a path."""
        return f"http://127.0.0.1:{self.port}"


def read_environment() -> dict[str, str]:
    """Return our environment without Vitrine's settings."""
    return {key: value for key, value in os.environ.items() if not key.startswith("VITRINE_")}


def make_vitrine(folder: Path, settings: Mapping[str, str] | None = None) -> Server:
    """Return Vitrine as it comes, but for its address, its model and the settings given."""
    port, changes = find_port(), dict(settings or {})
    env = {"VITRINE_HOST": "127.0.0.1", "VITRINE_PORT": str(port), "VITRINE_MODEL": str(folder)}
    command = (sys.executable, "-m", "app.cli.main", "serve")
    return Server(name_variant(changes), command, port, env | changes, is_exact=not changes)


def make_silent(folder: Path) -> Server:
    """Return Vitrine without its log line for each request."""
    port = find_port()
    vitrine = make_vitrine(folder)
    env = {**vitrine.env, "VITRINE_PORT": str(port), "VITRINE_LOG_LEVEL": "warning"}
    return Server("silent", vitrine.command, port, env)


def name_variant(settings: Mapping[str, str]) -> str:
    """Return ``vitrine``, with the values of its settings; of a path the last part."""
    return " ".join(["vitrine", *(Path(value).name for value in settings.values())])


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


def classify(server: Server, picture: Picture) -> Scores:
    """Return the labels that the server names first for the picture, and their scores."""
    body = ask(f"{server.url}/predict", picture)
    if body is None:
        raise BenchError(f"{server.name} does not answer the {picture.name}")
    return {str(best["label"]): float(best["score"]) for best in json.loads(body)["predictions"]}
