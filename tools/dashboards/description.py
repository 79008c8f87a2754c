"""The description of dashboards, in YAML beside this file, before Grafana's words for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml  # type: ignore[import-untyped]

SELECTOR = 'job=~"$job",instance=~"$instance"'
"""Which series a dashboard is about; `%s` in the descriptions."""

NAMES = ("overview", "details")
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Query:
    """An expression, and the legend of its series."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: of the panel.
        text: which metric it shows, and what to do when it looks wrong.
        queries: what it shows.
        unit: of its values, in Grafana's words.
        kind: a number, lines over time, areas on top of each other, or a table.
        bad: value from which a number is red; or up to which, where `is_bad_below`.
        is_bad_below: whether small values are bad.
    """

    title: str
    text: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Literal["number", "lines", "areas", "table"] = "lines"
    bad: float | None = None
    is_bad_below: bool = False


@dataclass(frozen=True)
class Board:
    """One dashboard: panels in rows, by the title of the row."""

    name: str
    title: str
    rows: dict[str, tuple[Panel, ...]]

    def list_panels(self) -> list[Panel]:
        """List all panels."""
        return [panel for panels in self.rows.values() for panel in panels]


def read_boards() -> Iterator[Board]:
    """Read the descriptions."""
    for name in NAMES:
        found = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text("utf-8"))
        rows = {row["title"]: tuple(map(_make_panel, row["panels"])) for row in found["rows"]}
        yield Board(name, found["title"], rows)


def _make_panel(found: dict[str, object]) -> Panel:
    """Make a panel, with the selector in its queries."""
    queries = found.pop("queries")
    assert isinstance(queries, list)  # noqa: S101 - a description of ours
    made = (
        Query(one["expression"].replace("%s", SELECTOR), one.get("legend", "")) for one in queries
    )
    return Panel(**found, queries=tuple(made))  # type: ignore[arg-type] # as above
