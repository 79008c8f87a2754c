"""Single rows of a Parquet file, asked for in about their order, from any thread."""

from bisect import bisect_right
from collections import deque
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from app.datasets.arrow import translate_arrow
from app.datasets.parquet_table import open_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyarrow import RecordBatch
    from pyarrow.parquet import ParquetFile

BATCH_BYTES, MAX_BATCH_ROWS = 4 << 20, 64
"""Of what is read at once: about so many bytes, and so many rows at most."""

KEPT = 4
"""Batches that are kept, for rows that are asked for a little late."""


class RowReader:
    """Reads the rows of one column, forwards; a row far back costs a walk through its row group.

    Args:
        location: path or URI of a Parquet file.
        column: to read.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, location: str, column: str) -> None:
        self._file = open_parquet(location)
        self._column = column
        groups = range(self._file.num_row_groups)
        sizes = (self._file.metadata.row_group(group).num_rows for group in groups)
        self._starts = [0, *accumulate(sizes)]
        self._batch_rows = _choose_rows(self._file, column)
        self._kept: deque[_Kept] = deque(maxlen=KEPT)
        self._batches: Iterator[RecordBatch] = iter(())
        self._next = 0
        self._lock = Lock()

    def read(self, row: int) -> object:
        """Read the value of a row; raises OSError."""
        if not 0 <= row < self._starts[-1]:
            raise OSError(f"there is no row {row}")
        with self._lock, translate_arrow():
            kept = self._find(row) or self._go_to(row)
            return kept.batch.column(0)[row - kept.start].as_py()

    def _find(self, row: int) -> "_Kept | None":
        """Find the batch of a row among those that are kept."""
        found = (one for one in self._kept if one.start <= row < one.start + one.batch.num_rows)
        return next(found, None)

    def _go_to(self, row: int) -> "_Kept":
        """Read on to a row, from the start of its row group unless it comes next."""
        group = bisect_right(self._starts, row) - 1
        if not self._kept or not self._starts[group] <= self._next <= row:
            groups = range(group, self._file.num_row_groups)
            self._batches = self._file.iter_batches(self._batch_rows, groups, [self._column])
            self._next = self._starts[group]
        while (found := self._find(row)) is None:
            batch = next(self._batches)
            self._kept.append(_Kept(self._next, batch))
            self._next += batch.num_rows
        return found


class _Kept(NamedTuple):
    """A batch, and the number of its first row."""

    start: int
    batch: "RecordBatch"


def _choose_rows(file: "ParquetFile", column: str) -> int:
    """Choose how many rows are read at once, by their mean size."""
    metadata = file.metadata
    size = 0
    for group in range(metadata.num_row_groups):
        found = metadata.row_group(group)
        for index in range(found.num_columns):
            one = found.column(index)
            size += int(one.total_uncompressed_size) if one.path_in_schema.startswith(column) else 0
    mean = size // max(1, int(metadata.num_rows))
    return max(1, min(MAX_BATCH_ROWS, BATCH_BYTES // max(1, mean)))
