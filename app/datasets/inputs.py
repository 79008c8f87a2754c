"""From what a user names to samples: files, folders, patterns, tables and URIs of them."""

from collections.abc import Iterator, Sequence
from itertools import chain

from app.datasets.csv_table import CsvTable
from app.datasets.location import find_storage
from app.datasets.names import describe_failure, show_location, strip_options
from app.datasets.once import keep_first
from app.datasets.parquet_table import ParquetTable
from app.datasets.sample import IMAGE_SUFFIXES, TABLE_SUFFIXES, Sample
from app.datasets.storage import Storage
from app.datasets.table import Table
from app.datasets.table_columns import TableColumns
from app.datasets.walk import MAGIC, find_matches, has_suffix, split_pattern, walk_files
from app.errors import DatasetError


def find_samples(inputs: Sequence[str], column: str | None = None) -> Iterator[Sample]:
    """Find the samples of files, folders, patterns and tables, each once; they are not kept.

    A folder counts with all folders below it: its images, or its tables where a column is given.
    Whatever is wrong with the first sample of an input is raised before any sample is given.

    Args:
        inputs: paths and URIs; `*`, `?`, `[abc]` and `**` make a pattern of one.
        column: of the tables, with paths or (Parquet alone) the bytes of images.

    Raises:
        DatasetError: an input has no image, a table cannot be read or has no such column.
    """
    found = [_begin(one, column) for one in inputs]
    return keep_first(chain.from_iterable(found))


def open_table(location: str) -> Table:
    """Open a Parquet or CSV file by its name; raises DatasetError."""
    is_csv = has_suffix(strip_options(location), frozenset({".csv"}))
    return CsvTable(location) if is_csv else ParquetTable(location)


def translate_listing(samples: Iterator[Sample], location: str) -> Iterator[Sample]:
    """Translate what can go wrong while folders are listed to DatasetError."""
    try:
        yield from samples
    except (OSError, ValueError) as exc:
        message = f"{show_location(location)} cannot be read: {describe_failure(exc)}."
        raise DatasetError(message) from exc


def _begin(location: str, column: str | None) -> Iterator[Sample]:
    """Find the first sample of an input, so that it is known to have one."""
    samples = translate_listing(_find(location, column), location)
    first = next(samples, None)
    if first is None:
        looked = TABLE_SUFFIXES if column else IMAGE_SUFFIXES
        message = (
            f"{show_location(location)} has no image: files end in {', '.join(sorted(looked))}."
        )
        raise DatasetError(message)
    return chain([first], samples)


def _find(location: str, column: str | None) -> Iterator[Sample]:
    """Find the samples of an input."""
    storage, path = find_storage(location)
    kind = storage.find_kind(path)
    files: Iterator[str]
    suffixes = TABLE_SUFFIXES if column else IMAGE_SUFFIXES
    if kind == "file":
        files = iter([path])
    elif kind == "folder":
        files = (one for one in walk_files(storage, path) if has_suffix(one, suffixes))
    elif MAGIC & set(path):
        folder, pattern = split_pattern(path)
        files = find_matches(storage, folder, pattern, suffixes)
    else:
        raise DatasetError(f"{storage.show(path)} does not exist.")
    for file in files:
        yield from _open(storage, file, column)


def _open(storage: Storage, path: str, column: str | None) -> Iterator[Sample]:
    """Find the samples of a file: one, or those of a table."""
    uri = storage.make_uri(path)
    if not has_suffix(path, TABLE_SUFFIXES):
        return iter([Sample(storage.show(path), uri)])
    return TableColumns(uri, open_table(uri), column).find_samples()
