"""The columns of a table that make samples: one of images, and maybe one of labels."""

import os
from collections.abc import Iterator
from posixpath import normpath
from urllib.parse import quote

from app.datasets.location import find_storage
from app.datasets.names import clean_name, is_uri, show_location
from app.datasets.sample import Sample
from app.datasets.table import Row, Table
from app.errors import DatasetError

MAX_SHOWN = 20
"""Columns that an error names."""


class TableColumns:
    """Columns of images and labels in a table.

    Args:
        location: path or URI of the table.
        table: opened.
        column: of paths or bytes.
        label_column: of labels; None where none are asked for.

    Raises:
        DatasetError: a column is not there, or holds something else.
    """

    def __init__(
        self, location: str, table: Table, column: str | None, label_column: str | None = None
    ) -> None:
        self._storage, self._path = find_storage(location)
        self._shown = self._storage.show(self._path)
        self._uri = self._storage.make_uri(self._path)
        self._table = table
        self._column = self._check(column, "column")
        self._label_column = (
            None if label_column is None else self._check(label_column, "label-column")
        )
        self._holds_bytes = table.holds_bytes(self._column)

    def find_samples(self) -> Iterator[Sample]:
        """Find the samples, one a row; raises DatasetError."""
        columns = [] if self._holds_bytes else [self._column]
        columns += [self._label_column] if self._label_column else []
        count = self._table.count_rows() if not columns else None
        rows = ([] for _ in range(count)) if count is not None else self._table.read_rows(columns)
        for number, row in enumerate(rows):
            yield self._make_sample(number, row)

    def _make_sample(self, number: int, row: Row) -> Sample:
        """Make the sample of a row; without a path its bytes are looked for, and not found."""
        label = _name_label(row[-1]) if self._label_column else None
        path = None if self._holds_bytes else row[0]
        if not path:
            return Sample(f"{self._shown}#{number}", self._uri, number, label)
        if is_uri(str(path)):
            return Sample(show_location(str(path)), str(path), -1, label)
        uri = join_location(self._uri, str(path))
        return Sample(self._show(str(path)), uri, -1, label)

    def _show(self, path: str) -> str:
        """Show a path that is relative to the table's folder."""
        return clean_name(join_location(self._shown, path, is_quoted=False))

    def _check(self, column: str | None, option: str) -> str:
        """Check that a column is there."""
        names = self._table.columns
        if column in names:
            return str(column)
        known = ", ".join(clean_name(name)[:100] for name in names[:MAX_SHOWN])
        more = ", …" if len(names) > MAX_SHOWN else ""
        asked = f"there is no column {column[:100]!r}" if column else "which column is it"
        raise DatasetError(f"--{option}: {asked} in {self._shown}? It has {known}{more}.")


def join_location(table: str, path: str, *, is_quoted: bool = True) -> str:
    """Join the folder of a table and a path in it; another URI or an absolute path stays."""
    if is_uri(path) or not is_uri(table):
        return path if is_uri(path) else os.path.join(os.path.dirname(table), path)  # noqa: PTH118, PTH120 - surrogates
    head, mark, query = table.partition("?")
    scheme, _, folder = head.rpartition("/")[0].partition("://")
    below = quote(os.fsencode(path)) if is_quoted else path
    return f"{scheme}://{normpath(f'{folder}/{below}')}{mark}{query}"


def _name_label(value: object) -> str | None:
    """Name the label of a cell; an empty cell has none. 3.0 is 3: pandas makes it of gaps."""
    if isinstance(value, float):
        return None if value != value else str(int(value) if value.is_integer() else value)  # noqa: PLR0124 - NaN
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace") or None
    return None if value is None or value == "" else clean_name(str(value))
