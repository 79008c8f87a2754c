"""A report: one HTML file with tables, charts and pictures, which needs nothing from anywhere.

It has no script, its policy forbids any, and every text from outside is escaped, cut and freed of
control characters.
"""

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.errors import SettingsError
from app.evaluation.extras import check_report_packages
from app.evaluation.figures import Chart
from app.evaluation.pictures import Picture
from app.hostile_text import clean_text

TEMPLATE = "report.html.jinja"

MAX_ROWS = 500
"""Rows of a table that are shown; what has more of them is a file for programs."""

MAX_TEXT = 160
"""Characters of a text from outside that are shown."""

MAX_COUNTED = 12
"""Labels up to which a matrix shows its counts; with more they are in its tooltips."""


class Figure(NamedTuple):
    """A number that matters.

    Attributes:
        name: what it is.
        value: as it is shown.
        note: more, in small.
    """

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a report, of one kind, which the template draws."""

    kind: str
    title: str
    note: str
    content: Mapping[str, object] = field(default_factory=dict)


class Report:
    """A report that is put together section by section.

    Args:
        title: of the page.
        subtitle: below it.

    Raises:
        SettingsError: what it needs is not installed.
    """

    def __init__(self, title: str, subtitle: str) -> None:
        check_report_packages()
        self.title = title
        self.subtitle = subtitle
        self._sections: list[Section] = []

    def add_figures(self, figures: Sequence[Figure], title: str = "Summary") -> None:
        """Add the numbers that matter."""
        self._add("figures", title, figures=figures)

    def add_table(
        self, title: str, header: Sequence[str], rows: Iterable[Sequence[str]], note: str = ""
    ) -> None:
        """Add a table, whose first column names its rows; of many rows the first are shown."""
        shown = list(islice(iterator := iter(rows), MAX_ROWS))
        more = sum(1 for _ in iterator)
        is_text = [not all(map(_is_number, column)) for column in zip(*shown, strict=True)]
        is_text += [True] * (len(header) - len(is_text))
        self._add("table", title, note, header=header, rows=shown, more=more, is_text=is_text)

    def add_pictures(self, title: str, pictures: Sequence[Picture], note: str = "") -> None:
        """Add pictures with their captions."""
        self._add("pictures", title, note, pictures=pictures)

    def add_chart(self, title: str, chart: Chart, note: str = "") -> None:
        """Add a chart."""
        self._add("chart", title, note, chart=chart)

    def add_matrix(
        self, title: str, labels: Sequence[str], counts: NDArray[np.int64], note: str = ""
    ) -> None:
        """Add a confusion matrix `[labels, labels]`, whose rows are true labels."""
        shares = counts / np.maximum(1, counts.sum(-1, keepdims=True))
        rows = [
            (label, list(zip(labels, ours.tolist(), of.tolist(), strict=True)))
            for label, ours, of in zip(labels, counts, shares, strict=True)
        ]
        is_small = len(labels) <= MAX_COUNTED
        self._add("matrix", title, note, labels=labels, rows=rows, is_small=is_small)

    def write(self, path: Path) -> None:
        """Write the report; a reader sees all of it or none.

        Raises:
            SettingsError: it cannot be written.
        """
        beside = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            beside.write_text(self.render(), "utf-8", errors="backslashreplace")
            beside.replace(path)
        except OSError as exc:
            beside.unlink(missing_ok=True)
            raise SettingsError(f"{path} cannot be written: {exc.strerror}.") from exc

    def render(self) -> str:
        """Render the HTML."""
        from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - an extra

        folder = FileSystemLoader(Path(__file__).parent)
        environment = Environment(
            loader=folder,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"shown": show_text, "jpeg": _make_uri}
        return environment.get_template(TEMPLATE).render(report=self, sections=self._sections)

    def _add(self, kind: str, title: str, note: str = "", **content: object) -> None:
        """Add a section."""
        self._sections.append(Section(kind, title, note, content))


def show_text(text: object) -> str:
    """Make text from outside fit to be shown: one line, not too long, no control characters."""
    return clean_text(str(text), MAX_TEXT)


def _make_uri(jpeg: bytes) -> str:
    """Make a URI that holds a JPEG."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _is_number(text: str) -> bool:
    """Tell whether a cell is a number or empty."""
    return text.strip("+-0123456789.,% ") == ""
