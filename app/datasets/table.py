"""A table: rows and columns in a file, read one row after the other."""

from collections.abc import Iterator, Sequence
from typing import Protocol

Row = Sequence[object]
"""The values of a row, in the order of the columns that were asked for."""


class Table(Protocol):
    """A table that was opened; it is closed with its last row."""

    columns: tuple[str, ...]

    def holds_bytes(self, column: str) -> bool:
        """Tell whether a column holds images and not paths; raises DatasetError for neither."""
        ...

    def count_rows(self) -> int | None:
        """Count the rows, where that is known without reading them."""
        ...

    def read_rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Read the rows; raises DatasetError."""
        ...
