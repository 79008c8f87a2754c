"""Each sample once, however often an image is named, without all names in memory."""

import logging
import sqlite3
from collections.abc import Iterator
from hashlib import blake2b

from app.datasets.sample import Sample

_logger = logging.getLogger("vitrine.datasets")


def keep_first(samples: Iterator[Sample]) -> Iterator[Sample]:
    """Give each sample once; says at the end how many were named again.

    What was seen is kept by SQLite, which moves it to a nameless file when it grows.
    """
    seen = sqlite3.connect(
        "", isolation_level=None, check_same_thread=False
    )  # no name: no file stays
    again = 0
    try:
        seen.execute("CREATE TABLE seen (sample BLOB PRIMARY KEY) WITHOUT ROWID")
        seen.execute("BEGIN")
        for sample in samples:
            key = blake2b(f"{sample.uri}#{sample.row}".encode(), digest_size=16).digest()
            if seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", [key]).rowcount:
                yield sample
            else:
                again += 1
    finally:
        seen.close()
    if again:
        _logger.warning("%d images were named more than once and count once", again)
