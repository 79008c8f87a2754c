"""`vitrine score` from an object store into one."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from tests.support.s3 import serve_bucket
from tests.support.scoring import read_rows, score
from tests.support.service import SAMPLES


def test_an_object_store_is_read_and_written(tmp_path: Path) -> None:
    """The rows are those of the same files on a disk, whole or gone on with."""
    code, log = score((SAMPLES,), tmp_path / "local")
    assert code == 0, log
    expected = read_rows(tmp_path / "local")
    with serve_bucket(tmp_path / "server.log") as bucket:
        for path in SAMPLES.iterdir():
            with bucket.open_output_stream(f"photos/in/{path.name}") as file:
                file.write(path.read_bytes())
        command = ("s3://photos/in", "--part-rows", "7")
        code, log = score(command, "s3://photos/out", tmp_path / "remote.log")
        assert code == 0, log
        rows = pq.read_table("photos/out/rows", filesystem=bucket).to_pylist()
        with bucket.open_input_stream("photos/out/summary.json") as file:
            assert json.loads(file.read())["images"] == len(expected)
        code, log = score(command, "s3://photos/out", tmp_path / "again.log")
    assert code == 2
    assert "is complete, with 20 images" in log
    assert [row["path"] for row in rows] == [
        f"s3://photos/in/{Path(row['path']).name}" for row in expected
    ]
    for row, other in zip(rows, expected, strict=True):
        assert (row["label"], row["width"]) == (other["label"], other["width"])
        assert abs(row["score"] - other["score"]) < 1e-5


def test_a_file_uri_is_a_folder_of_this_machine(tmp_path: Path) -> None:
    """file:// names what its path names, for what is read and what is written."""
    out = tmp_path / "with space" / "out"
    uri = out.as_uri()
    code, log = score((SAMPLES.as_uri(),), uri, tmp_path / "log")
    assert code == 0, log
    assert len(read_rows(out)) == 20
