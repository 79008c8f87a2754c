"""Every query of every panel, asked of a real Prometheus under load."""

import json
import math
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from PIL import Image

from tools.dashboards.draw import draw_board
from tools.dashboards.prometheus import FOLDER, Prometheus, fill_in

DASHBOARDS = sorted((FOLDER.parent / "grafana").glob("*.json"))
ALERTS = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"]
QUERIES = [
    pytest.param(target["expr"], id=f"{path.stem}: {panel['title']} {target['refId']}")
    for path in DASHBOARDS
    for panel in json.loads(path.read_text("utf-8"))["panels"]
    for target in panel.get("targets", [])
]
RULES = [rule for group in ALERTS for rule in group["rules"]]
SECONDS = 20


@pytest.mark.parametrize("expression", QUERIES)
def test_no_panel_is_empty(prometheus: Prometheus, expression: str) -> None:
    """Each has a number under load; those of a GPU need one, and are only asked."""
    found = prometheus.query(fill_in(expression, "10s"), SECONDS)
    if "vitrine_gpu_" not in expression:
        assert any(math.isfinite(value) for _, values in found for _, value in values), found


@pytest.mark.parametrize("rule", [rule for rule in RULES if "record" in rule], ids=str)
def test_every_rule_records(prometheus: Prometheus, rule: dict[str, str]) -> None:
    """Under its name."""
    found = prometheus.query(rule["record"], SECONDS)
    assert any(math.isfinite(value) for _, values in found for _, value in values)


@pytest.mark.parametrize("rule", [rule for rule in RULES if "alert" in rule], ids=str)
def test_every_alert_can_be_asked(prometheus: Prometheus, rule: dict[str, str]) -> None:
    """Those of a service that is not well are empty, and the load is seen."""
    found = prometheus.query(rule["expr"], 5)
    if rule["alert"] == "VitrineAtCapacity":
        assert found
    if rule["alert"] in {"VitrineDown", "VitrineAbsent", "VitrineModelFails"}:
        assert found == []


def test_all_refusals_are_in_the_error_ratio(prometheus: Prometheus) -> None:
    """HAProxy's too: they are most of them."""
    errors, requests, refused = (
        prometheus.query(expression, 5)[0][1][-1][1]
        for expression in (
            "vitrine:errors:rate5m",
            "vitrine:requests:rate5m",
            "sum(rate(vitrine_proxy_refusals_total[5m]))",
        )
    )
    assert 0.5 * errors < refused
    assert 0.8 * refused < errors < requests  # rules are evaluated a moment before


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_drawn(prometheus: Prometheus, path: Path, tmp_path: Path) -> None:
    """As docs/ shows it."""
    picture = tmp_path / "drawn.png"
    draw_board(json.loads(path.read_text("utf-8")), prometheus, picture)
    with Image.open(picture) as image:
        assert image.width > 1000
