"""Parquet files, read in small batches: neither a file nor a row group is held in memory."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.datasets.arrow import require_pyarrow, translate_arrow
from app.datasets.location import find_storage
from app.datasets.names import clean_name, describe_failure, show_location
from app.datasets.table import Row
from app.errors import DatasetError

if TYPE_CHECKING:
    from pyarrow import DataType, Schema
    from pyarrow.parquet import ParquetFile

BATCH_ROWS = 4096
"""Rows of names and labels that are read at once."""

BUFFER_BYTES = 1 << 20
"""Bytes that are read at once; without it a row group's column would be read as a whole."""


class ParquetTable:
    """A Parquet file.

    Args:
        location: path or URI.

    Raises:
        DatasetError: it cannot be read.
    """

    def __init__(self, location: str) -> None:
        require_pyarrow("A Parquet file")
        self._location = location
        with self._open() as file:
            self._schema: Schema = file.schema_arrow
            self._rows = int(file.metadata.num_rows)
        self.columns: tuple[str, ...] = tuple(self._schema.names)

    def holds_bytes(self, column: str) -> bool:
        """Tell whether a column holds bytes, or `{bytes, path}` as Hugging Face's do."""
        from pyarrow import types  # noqa: PLC0415 - an extra

        found = _strip(self._schema.field(self.columns.index(column)).type)
        if types.is_struct(found):
            names = [field.name for field in found]
            found = _strip(found.field("bytes").type) if "bytes" in names else found
        if _is_text(found):
            return False
        if _is_binary(found):
            return True
        message = (
            f"column {column[:100]!r} of {show_location(self._location)} holds {str(found)[:100]}"
        )
        raise DatasetError(f"{message}; paths or the bytes of images are needed.")

    def count_rows(self) -> int | None:
        """Count the rows, by the end of the file."""
        return self._rows

    def read_rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Read the rows; labels that are numbers have their names where the file has those."""
        names = [_read_names(self._schema, column) for column in columns]
        with self._open() as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
                found = [batch.column(batch.schema.names.index(one)) for one in columns]
                for row in zip(*(one.to_pylist() for one in found), strict=True):
                    yield [_name(*cell) for cell in zip(row, names, strict=True)]

    @contextmanager
    def _open(self) -> Iterator["ParquetFile"]:
        """Open the file, and translate what can go wrong in it."""
        try:
            with translate_arrow(), open_parquet(self._location) as file:
                yield file
        except OSError as exc:
            message = f"{show_location(self._location)} cannot be read: {describe_failure(exc)}."
            raise DatasetError(message) from exc


def open_parquet(location: str) -> "ParquetFile":
    """Open a Parquet file so that little of it is in memory at once; raises OSError."""
    from pyarrow.parquet import ParquetFile  # noqa: PLC0415 - an extra

    storage, path = find_storage(location)
    with translate_arrow():
        file = storage.open_table(path)
        return ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False)


def _strip(found: "DataType") -> "DataType":
    """Find the type of the values of a dictionary or an extension type."""
    return getattr(found, "value_type", None) or getattr(found, "storage_type", None) or found


def _is_text(found: "DataType") -> bool:
    """Tell whether a type is one of text."""
    return str(found) in {"string", "large_string", "string_view"}


def _is_binary(found: "DataType") -> bool:
    """Tell whether a type is one of bytes."""
    return str(found).startswith(("binary", "large_binary", "fixed_size_binary"))


def _read_names(schema: "Schema", column: str) -> list[str]:
    """Read the names of a column of label ids, which Hugging Face's datasets keep in the file."""
    try:
        kept = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        names = kept["info"]["features"][column]["names"]
    except (ValueError, LookupError, TypeError):
        return []
    return [clean_name(str(name)) for name in names] if isinstance(names, list) else []


def _name(value: object, names: Sequence[str]) -> object:
    """Name a label id; any other value stays."""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
