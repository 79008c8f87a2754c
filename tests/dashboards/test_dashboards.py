"""The dashboards of deploy/grafana/: current, of metrics that exist, and with advice."""

import json
import re
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml  # type: ignore[import-untyped]

from app.observability.metrics import SECONDS
from tools.dashboards.description import Board, read_boards
from tools.dashboards.grafana import TARGETS, write_dashboard

ROOT = Path(__file__).parents[2]
BOARDS = list(read_boards())
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
SUFFIX = re.compile(r"_(bucket|sum|count)$")


def list_documented() -> set[str]:
    """List the metrics of docs/metrics.md, which a test of its own keeps current."""
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    return set(re.findall(r"^\| `(vitrine_\w+)` \|", text, re.MULTILINE))


def read_rules() -> list[dict[str, Any]]:
    """Read the rules."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_files_are_current(board: Board) -> None:
    """`make dashboards` would change nothing."""
    path = ROOT / "deploy" / "grafana" / f"{board.name}.json"
    assert path.read_text("utf-8") == write_dashboard(board)


def test_every_metric_that_is_asked_for_exists() -> None:
    """In the panels and in the rules."""
    expressions = [
        query.expression
        for board in BOARDS
        for panel in board.list_panels()
        for query in panel.queries
    ]
    expressions += [rule["expr"] for rule in read_rules()]
    named = set(re.findall(r"\bvitrine_\w+", " ".join(expressions)))
    documented = list_documented()
    assert len(named) > 20
    assert {name for name in named if name not in documented} - {
        name for name in named if SUFFIX.sub("", name) in documented
    } == set()
    recorded = {rule["record"] for rule in read_rules() if "record" in rule}
    assert set(re.findall(r"\bvitrine:[\w:]+", " ".join(expressions))) <= recorded


def test_targets_are_bounds_of_buckets() -> None:
    """So that the share within a target is exact."""
    assert set(map(float, TARGETS.split(","))) <= set(SECONDS)


def test_every_alert_has_its_section_in_the_runbook() -> None:
    """And every alert that a panel names is one."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    sections = {title.lower() for title in re.findall(r"^### (\w+)", text, re.MULTILINE)}
    for rule in read_rules():
        if "alert" in rule:
            page, _, anchor = rule["annotations"]["runbook"].partition("#")
            assert (page, anchor in sections) == ("docs/operations.md", True), rule["alert"]
    alerts = {rule["alert"] for rule in read_rules() if "alert" in rule}
    named = {
        name
        for board in BOARDS
        for panel in board.list_panels()
        for name in re.findall(r"\bVitrine[A-Z]\w+", panel.text)
    }
    assert named <= alerts


def test_every_panel_says_what_to_do() -> None:
    """More than its title, and which metric it shows."""
    for board in BOARDS:
        for panel in board.list_panels():
            assert len(panel.text) > 40, panel.title


def test_grafana_finds_them() -> None:
    """The JSON is a dashboard, and the provisioning is YAML."""
    for path in (ROOT / "deploy" / "grafana").glob("*.json"):
        assert json.loads(path.read_text("utf-8"))["uid"] == f"vitrine-{path.stem}"
    for name in ("datasources", "dashboards"):
        text = (ROOT / "deploy/grafana/provisioning" / name / "vitrine.yaml").read_text("utf-8")
        assert yaml.safe_load(text)["apiVersion"] == 1


def test_the_compose_file_is_one() -> None:
    """By the Compose specification."""
    text = (ROOT / "deploy" / "grafana" / "compose.yaml").read_text("utf-8")
    names = compose_spec.PyCompose.from_yaml(text).service_names()
    assert sorted(names) == ["grafana", "prometheus"]
