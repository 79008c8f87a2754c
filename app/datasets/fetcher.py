"""Fetches the bytes of samples: from files, from URIs, and from rows of tables."""

from collections import OrderedDict
from threading import Lock

from app.datasets.location import find_storage
from app.datasets.names import describe_failure, strip_options
from app.datasets.row_reader import RowReader
from app.datasets.sample import Sample
from app.datasets.table_columns import join_location
from app.datasets.walk import has_suffix
from app.errors import DatasetError, InvalidRequestError

CSV = frozenset({".csv"})
MAX_OPEN = 4
"""Tables that are open at once."""


class SampleFetcher:
    """Fetches samples, from any thread; those of a table best in the order of their rows.

    Args:
        max_bytes: of an image; one byte more is read, which tells that it is too large.
        column: of the tables, with the bytes of images.
    """

    def __init__(self, max_bytes: int, column: str | None = None) -> None:
        self._max_bytes = max_bytes
        self._column = column
        self._tables: OrderedDict[str, RowReader] = OrderedDict()
        self._lock = Lock()

    def __call__(self, sample: Sample) -> bytes:
        """Fetch the bytes of a sample.

        Raises:
            InvalidRequestError: it cannot be read; names it and says why.
        """
        try:
            return self._read_file(sample.uri) if sample.row < 0 else self._read_row(sample)
        except (OSError, ValueError, DatasetError) as exc:
            message = f"{sample.path} cannot be read: {describe_failure(exc)}."
            raise InvalidRequestError(message) from exc

    def _read_file(self, location: str) -> bytes:
        """Read a file, but not more than the limit and a byte."""
        storage, path = find_storage(location)
        with storage.open(path) as file:
            return file.read(self._max_bytes + 1)

    def _read_row(self, sample: Sample) -> bytes:
        """Read the bytes of a row, or the file that it names instead."""
        value = None
        if self._column and not has_suffix(strip_options(sample.uri), CSV):
            value = self._open(sample.uri, self._column).read(sample.row)
        if isinstance(value, dict):
            if not value.get("bytes") and value.get("path"):
                return self._read_file(join_location(sample.uri, str(value["path"])))
            value = value.get("bytes")
        if isinstance(value, bytes):
            return value[: self._max_bytes + 1]
        raise DatasetError(f"row {sample.row} has no image")

    def _open(self, location: str, column: str) -> RowReader:
        """Open a table, and close the one that was not used for longest."""
        with self._lock:
            table = self._tables.pop(location, None) or RowReader(location, column)
            self._tables[location] = table
            while len(self._tables) > MAX_OPEN:
                self._tables.popitem(last=False)
        return table
