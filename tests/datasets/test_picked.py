"""Samples that are looked at: in the order of their tables, and never for ever."""

import threading
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.fetcher import SampleFetcher
from app.datasets.inputs import find_samples
from app.datasets.picked import MAX_LATE, look_at
from app.datasets.sample import Sample
from app.errors import UndecodableImageError


def test_rows_are_read_forwards_and_given_as_they_were_asked_for(tmp_path: Path) -> None:
    """A row that is asked for late would cost a walk through its row group."""
    values = [b"%03d" % number for number in range(300)]
    pq.write_table(pa.table({"image": values}), tmp_path / "t.parquet", row_group_size=100)
    found = list(find_samples([str(tmp_path / "t.parquet")], "image"))[::-7]
    order = list[bytes]()

    def look(data: bytes) -> int:
        order.append(data)
        return int(data)

    seen = look_at(found, SampleFetcher(9, "image"), 20, look)
    assert seen == [sample.row for sample in found]
    assert order == sorted(order)


def test_what_is_gone_or_damaged_is_left_open(tmp_path: Path) -> None:
    """The others are seen."""
    samples = [Sample(name, str(tmp_path / name)) for name in ("gone", "bad", "good")]
    for name in ("bad", "good"):
        (tmp_path / name).write_bytes(name.encode())

    def look(data: bytes) -> str:
        if data == b"bad":
            raise UndecodableImageError("bad")
        return data.decode()

    assert look_at(samples, SampleFetcher(9), 20, look) == [None, None, "good"]


@pytest.mark.parametrize("is_table", [False, True])
def test_a_storage_that_hangs_is_given_up_soon(is_table: bool) -> None:  # noqa: FBT001
    """However many samples there are, of files or of a table; those before it are seen."""
    go_on = threading.Event()

    def fetch(sample: Sample) -> bytes:
        if sample.uri == "z":
            go_on.wait(60)
        return b""

    rows = range(500) if is_table else [-1] * 500
    samples = [Sample("first", "a"), *(Sample("x", "z", row) for row in rows)]
    started = time.monotonic()
    try:
        seen = look_at(samples, fetch, 0.1, len)
    finally:
        go_on.set()
    assert seen == [0] + [None] * 500
    assert time.monotonic() - started < 0.1 * MAX_LATE + 1
