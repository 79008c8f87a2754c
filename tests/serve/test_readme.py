"""The commands of the README and the docs, run as they stand, and the answers that they show."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import ROOT, Service, make_environment

PAGES = "\n".join(
    (ROOT / page).read_text("utf-8") for page in ("README.md", "docs/api.md", "docs/clients.md")
)
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGES, re.DOTALL)
EXAMPLES = [
    (command.strip(), answer.strip())
    for (language, command), (kind, answer) in itertools.pairwise(BLOCKS)
    if language == "sh" and kind in {"json", "text"}
]
"""Commands with the answer that follows them."""

REQUESTS = re.findall(r"^curl (?!-s ).*\blocalhost:8000.*$", PAGES, re.MULTILINE)
"""Commands whose answer is not shown."""


def run(command: str, service: Service) -> str:
    """Run a command against the service of the tests."""
    environment = make_environment(port="8000")
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command.replace("localhost:8000", f"127.0.0.1:{service.port}")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def round_scores(value: object) -> object:
    """Round numbers, which differ in the last digits from processor to processor."""
    if isinstance(value, dict):
        return {key: round_scores(item) for key, item in value.items()}
    if isinstance(value, list):
        return [round_scores(item) for item in value]
    return pytest.approx(value, abs=1e-4) if isinstance(value, float) else value


def test_the_docs_show_answers() -> None:
    """There is something to hold the docs to."""
    assert (len(EXAMPLES), len(REQUESTS)) == (4, 8)


@pytest.mark.parametrize(("command", "answer"), EXAMPLES, ids=[one for one, _ in EXAMPLES])
def test_a_command_answers_as_shown(service: Service, command: str, answer: str) -> None:
    """Each command gives the answer that stands below it."""
    given = run(command, service)
    if answer.startswith("{"):
        assert json.loads(given) == round_scores(json.loads(answer))
    else:
        assert given == answer


@pytest.mark.parametrize("command", REQUESTS)
def test_each_request_of_the_docs_is_answered(service: Service, command: str) -> None:
    """As it stands; a URL is refused by a service that may fetch none."""
    status = 422 if '"url"' in command else 200
    quiet = command.replace("curl", "curl -s -o /dev/null -w '%{http_code}'", 1)
    assert run(quiet, service) == str(status)
