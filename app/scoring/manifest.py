"""The manifest: the samples of a job, as Parquet files of one part each."""

import io
import os
from collections.abc import Iterable
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from app.datasets.sample import Sample
from app.scoring.folder import OutputFolder
from app.scoring.part_names import name_manifest

SCHEMA = pa.schema([("path", pa.binary()), ("uri", pa.binary()), ("row", pa.int64())])
"""Names are bytes, because that of a file need not be text."""


def write_manifest(folder: OutputFolder, samples: Iterable[Sample], part_rows: int) -> int:
    """Write the manifest, a part at a time; raises OSError.

    Args:
        folder: of the job.
        samples: all of them; one part is held.
        part_rows: samples of a part.

    Returns:
        The number of samples.
    """
    found = part = 0
    left = iter(samples)
    while chosen := list(islice(left, part_rows)):
        rows = [
            {"path": os.fsencode(one.path), "uri": os.fsencode(one.uri), "row": one.row}
            for one in chosen
        ]
        table = pa.Table.from_pylist(rows, SCHEMA)
        folder.write(name_manifest(part), encode_parquet(table))
        found, part = found + len(chosen), part + 1
    return found


def read_manifest(folder: OutputFolder, part: int) -> list[Sample]:
    """Read the samples of a part; raises OSError."""
    table = pq.read_table(io.BytesIO(folder.read(name_manifest(part))))
    return [
        Sample(os.fsdecode(row["path"]), os.fsdecode(row["uri"]), row["row"])
        for row in table.to_pylist()
    ]


def encode_parquet(table: pa.Table) -> bytes:
    """Encode a table as a Parquet file."""
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()
