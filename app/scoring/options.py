"""What a user asks of `vitrine score`."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Format = Literal["parquet", "csv", "jsonl"]

PART_ROWS = 1000
"""Images of a part: what a stop repeats at most, and what a file of rows has."""


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """What a user asks of `vitrine score`.

    Attributes:
        inputs: files, folders, patterns, tables and URIs.
        out: folder or URI to write to.
        column: of the tables: of paths, or of bytes.
        format: of the files of rows.
        top_k: best labels of an image.
        scores: whether to write the scores of all labels.
        logits: whether to write the logits.
        part_rows: images of a part.
        max_problems: `N`, or a share of all images such as `1%`; None for any number.
        address: of the Ray cluster to run on; None for a Ray of this command's own.
        overwrite: whether to score anew what an earlier run has written.
    """

    inputs: tuple[str, ...]
    out: str
    column: str | None = None
    format: Format = "parquet"
    top_k: int = 5
    scores: bool = False
    logits: bool = False
    part_rows: int = PART_ROWS
    max_problems: str | None = None
    address: str | None = None
    overwrite: bool = False


def bound_problems(limit: str | None, images: int) -> int | None:
    """Count the problems that so many images may have; None for any number."""
    if limit is None:
        return None
    share = limit.removesuffix("%")
    return int(Fraction(share) / 100 * images) if share != limit else int(limit)
