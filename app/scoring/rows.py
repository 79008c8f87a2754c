"""The rows that are written: one for each image, whatever became of it."""

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from app.backend import Description
from app.offline.bulk_scorer import ScoredSample
from app.prediction.scores import choose_order, compute_scores, rank_predictions
from app.scoring.manifest import encode_parquet
from app.scoring.options import Format, ScoreOptions
from schemas import PredictOptions

Row = dict[str, Any]

PREDICTION = pa.struct([("label", pa.string()), ("label_id", pa.int32()), ("score", pa.float32())])


def build_schema(options: ScoreOptions) -> pa.Schema:
    """Build the schema of the rows; scores and logits have a column where they are asked for."""
    vectors = [("scores", options.scores), ("logits", options.logits)]
    return pa.schema(
        [
            ("path", pa.string()),
            ("label", pa.string()),
            ("label_id", pa.int32()),
            ("score", pa.float32()),
            ("top_k", pa.list_(PREDICTION)),
            *((name, pa.list_(pa.float32())) for name, is_asked in vectors if is_asked),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("format", pa.string()),
            ("model", pa.string()),
            ("revision", pa.string()),
            ("problem", pa.string()),
            ("problem_detail", pa.string()),
        ]
    )


def make_row(scored: ScoredSample, description: Description, options: ScoreOptions) -> Row:
    """Make the row of an image; what it does not have is None."""
    problem, (width, height) = scored.problem, scored.size
    row: Row = {
        "path": show_path(scored.sample.path),
        "width": width or None,
        "height": height or None,
        "format": scored.format or None,
        "model": description.model_id,
        "revision": description.revision,
        "problem": problem.type if problem else None,
        "problem_detail": problem.detail if problem else None,
    }
    return row if scored.logits is None else row | _rank(scored, description, options)


def _rank(scored: ScoredSample, description: Description, options: ScoreOptions) -> Row:
    """Make the part of a row that comes from the logits."""
    assert scored.logits is not None  # noqa: S101 - the caller has checked
    logits, temperature = scored.logits, description.temperature
    scores = compute_scores(logits, description.activation, temperature)
    top_k = min(options.top_k, len(description.labels))
    asked, order = PredictOptions(top_k=top_k), choose_order(logits, temperature)
    best = rank_predictions(scores, description.labels, asked, order)
    return {
        "label": best[0].label,
        "label_id": best[0].label_id,
        "score": best[0].score,
        "top_k": [one.model_dump() for one in best],
        "scores": scores if options.scores else None,
        "logits": logits if options.logits else None,
    }


def show_path(path: str) -> str:
    r"""Show a path as text: a byte that is none becomes `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def encode_rows(rows: Sequence[Row], schema: pa.Schema, format: Format) -> bytes:  # noqa: A002
    """Encode rows as a file."""
    table = pa.Table.from_pylist(list(rows), schema)
    return ENCODERS[format](table)


def _encode_csv(table: pa.Table) -> bytes:
    """Encode a table as CSV with a header; a cell that holds several values is JSON."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in table.to_pylist():
        writer.writerow(
            json.dumps(cell, ensure_ascii=False) if isinstance(cell, list) else cell
            for cell in row.values()
        )
    return file.getvalue().encode()


def _encode_lines(table: pa.Table) -> bytes:
    """Encode a table as JSON lines."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
    return "".join(lines).encode()


ENCODERS: dict[Format, Callable[[pa.Table], bytes]] = {
    "parquet": encode_parquet,
    "csv": _encode_csv,
    "jsonl": _encode_lines,
}
