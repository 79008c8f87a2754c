"""The README's commands, run as they stand, and the answers that it shows."""

import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.service import ROOT, Service, make_environment

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
EXAMPLES = [
    (command.strip(), answer.strip())
    for (language, command), (kind, answer) in itertools.pairwise(BLOCKS)
    if language == "sh" and kind in {"json", "text"}
]
"""Commands with the answer that follows them."""

_CLIENTS = (ROOT / "docs" / "clients.md").read_text("utf-8")
DOORS = re.findall(r"^curl .*$", _CLIENTS, re.MULTILINE)
"""Commands of docs/clients.md."""


def run(command: str, service: Service) -> str:
    """Run a command of the README against the service of the tests."""
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


def test_the_readme_shows_answers() -> None:
    """There is something to hold the README to."""
    assert (len(EXAMPLES), len(DOORS)) == (4, 8)


@pytest.mark.parametrize(("command", "answer"), EXAMPLES, ids=[one for one, _ in EXAMPLES])
def test_a_command_of_the_readme_answers_as_shown(
    service: Service, command: str, answer: str
) -> None:
    """Each command gives the answer that stands below it."""
    given = run(command, service)
    if answer.startswith("{"):
        assert json.loads(given) == round_scores(json.loads(answer))
    else:
        assert given == answer


@pytest.mark.parametrize("command", DOORS)
def test_each_door_of_the_docs_opens(service: Service, command: str) -> None:
    """As docs/clients.md shows it; a URL is not fetched by a service that was not told to."""
    status = 422 if '"url"' in command else 200
    quiet = command.replace("curl", "curl -s -o /dev/null -w '%{http_code}'", 1)
    assert run(quiet, service) == str(status)


def test_the_readme_names_only_targets_that_there_are() -> None:
    """Every `make` target of README and CONTRIBUTING is in the Makefile."""
    named = set(re.findall(r"make ([a-z-]+)", README + (ROOT / "CONTRIBUTING.md").read_text()))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named - targets == set()


def test_the_links_of_the_docs_lead_somewhere() -> None:
    """Every relative link of README, CONTRIBUTING and docs names a file that is there."""
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
