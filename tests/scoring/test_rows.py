"""The rows that are written."""

import csv
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from app.backend import Description, Geometry
from app.datasets.sample import Sample
from app.errors import UndecodableImageError
from app.offline.bulk_scorer import ScoredSample
from app.scoring.options import ScoreOptions
from app.scoring.rows import Row, build_schema, encode_rows, make_row

LOGITS = np.array([0.5, 2.0, -1.0], np.float32)
GEOMETRY = Geometry(size=(8, 8), resize=(8, 8), resample=2, crop=False)
LABELS = ("cat", 'a "quoted", label', "naïve")
MODEL = Description("pets", "abc", LABELS, "softmax", GEOMETRY, "cpu", "torch")
ASKED = ScoreOptions(("in",), "out", top_k=2, scores=True, logits=True)
GOOD = ScoredSample(Sample("/a,b.jpg", "/a,b.jpg"), None, LOGITS, (4, 3), "JPEG", 0.1)
BAD = ScoredSample(Sample("/bad\udcff", "/bad"), UndecodableImageError("The image is empty."))


def make_rows(options: ScoreOptions) -> list[Row]:
    """Make the rows of an image that was scored and of one that could not be."""
    return [make_row(one, MODEL, options) for one in (GOOD, BAD)]


def test_a_row_has_the_best_labels_first() -> None:
    """The label is the first of the top k; all scores and logits are there where asked for."""
    row = make_rows(ASKED)[0]
    exponents = np.exp(LOGITS)
    assert (row["label"], row["label_id"]) == (LABELS[1], 1)
    assert row["score"] == pytest.approx((exponents / exponents.sum())[1])
    assert [one["label"] for one in row["top_k"]] == [LABELS[1], LABELS[0]]
    assert row["scores"].sum() == pytest.approx(1)
    assert row["logits"] is LOGITS
    assert (row["width"], row["height"], row["format"]) == (4, 3, "JPEG")


def test_a_row_of_a_problem_says_which_and_has_no_label() -> None:
    """The problem is there in the words of the service, and what was not found is null."""
    (row,) = pq.read_table(
        io.BytesIO(encode_rows(make_rows(ASKED)[1:], build_schema(ASKED), "parquet"))
    ).to_pylist()
    assert row["problem"] == "undecodable-image"
    assert row["problem_detail"] == "The image is empty."
    assert row["path"] == "/bad\\xff"
    assert (row["model"], row["revision"]) == ("pets", "abc")
    left = {"label", "label_id", "score", "top_k", "scores", "logits", "width", "height", "format"}
    assert all(row[name] is None for name in left)


def test_vectors_have_a_column_only_where_asked_for() -> None:
    """By default there is neither a column of scores nor one of logits."""
    plain = ScoreOptions(("in",), "out")
    names = build_schema(plain).names
    assert not {"scores", "logits"} & set(names)
    assert encode_rows(make_rows(plain), build_schema(plain), "parquet")


def test_all_formats_hold_the_same() -> None:
    """CSV has JSON in the cells with several values, and JSON lines are what Parquet gives."""
    rows, schema = make_rows(ASKED), build_schema(ASKED)
    parquet = pq.read_table(io.BytesIO(encode_rows(rows, schema, "parquet"))).to_pylist()
    lines = encode_rows(rows, schema, "jsonl").decode().splitlines()
    assert [json.loads(line) for line in lines] == parquet
    cells = list(csv.DictReader(io.StringIO(encode_rows(rows, schema, "csv").decode())))
    assert json.loads(cells[0]["top_k"]) == parquet[0]["top_k"]
    assert [cell["path"] for cell in cells] == ["/a,b.jpg", "/bad\\xff"]
    assert cells[0]["label"] == LABELS[1]
    assert cells[1]["score"] == ""
