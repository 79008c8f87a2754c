"""CSV files: of UTF-8 or UTF-16, with commas, semicolons, tabs or bars, and a line of names."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from app.datasets.location import find_storage
from app.datasets.names import describe_failure
from app.datasets.table import Row
from app.errors import DatasetError

DELIMITERS = ",;\t|"

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class CsvTable:
    """A CSV file whose first line names its columns.

    Args:
        location: path or URI.

    Raises:
        DatasetError: it cannot be read, or holds nothing.
    """

    def __init__(self, location: str) -> None:
        self._storage, self._path = find_storage(location)
        self._shown = self._storage.show(self._path)
        with self._open() as lines:
            head = lines.readline()
            self._delimiter = max(DELIMITERS, key=head.count)
            self.columns = tuple(next(csv.reader([head], delimiter=self._delimiter), ()))
        if not any(self.columns):
            raise DatasetError(f"{self._shown} has no line with the names of its columns.")

    def holds_bytes(self, _column: str) -> bool:
        """Tell that every column holds text."""
        return False

    def count_rows(self) -> int | None:
        """Leave open how many rows there are: none is counted without reading them."""
        return None

    def read_rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Read the rows; a cell that a short row lacks is None."""
        with self._open() as lines:
            for row in csv.DictReader(lines, delimiter=self._delimiter):
                yield [row[name] for name in columns]

    @contextmanager
    def _open(self) -> Iterator[io.TextIOWrapper]:
        """Open the file as text, and translate what can go wrong in it."""
        try:
            encoding = "utf-16" if self._begin().startswith(_UTF_16) else "utf-8-sig"
            with io.TextIOWrapper(self._open_bytes(), encoding, newline="") as lines:
                yield lines
        except UnicodeError as exc:
            message = f"{self._shown} is not UTF-8. Save it as UTF-8 and try again."
            raise DatasetError(message) from exc
        except (OSError, csv.Error) as exc:
            message = f"{self._shown} cannot be read: {describe_failure(exc)}."
            raise DatasetError(message) from exc

    def _begin(self) -> bytes:
        """Read the first bytes."""
        with self._open_bytes() as file:
            return file.read(2)

    def _open_bytes(self) -> IO[bytes]:
        """Open the file."""
        return self._storage.open(self._path)
