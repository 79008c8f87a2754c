"""Tables of images: columns of paths and of bytes, what is missing in them, and damaged files."""

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.fetcher import SampleFetcher
from app.datasets.inputs import find_samples
from app.datasets.labelled import DatasetOptions, open_labelled
from app.datasets.table_columns import join_location
from app.errors import DatasetError, InvalidRequestError
from tests.datasets.conftest import MakeImages

IMAGES = [b"first", None, b"third"]


def write(path: Path, column: pa.Array, labels: pa.Array | None = None) -> str:
    """Write a Parquet file with a column of images."""
    table = {"image": column} | ({} if labels is None else {"label": labels})
    pq.write_table(pa.table(table), path)
    return str(path)


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.dictionary(pa.int32(), pa.binary()),
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    ],
    ids=str,
)
def test_bytes_come_from_a_column_of_any_type_of_bytes(tmp_path: Path, kind: pa.DataType) -> None:
    """Each row is a sample named FILE#ROW; a row without an image is a problem."""
    is_struct = pa.types.is_struct(kind)
    values = [{"bytes": one, "path": None} for one in IMAGES] if is_struct else IMAGES
    file = write(tmp_path / "t.parquet", pa.array(values, kind))
    found = list(find_samples([file], "image"))
    assert [sample.path for sample in found] == [f"{file}#0", f"{file}#1", f"{file}#2"]
    fetch = SampleFetcher(4, "image")
    assert [fetch(found[0]), fetch(found[2])] == [b"first", b"third"]
    with pytest.raises(InvalidRequestError, match="#1 cannot be read: row 1 has no image"):
        fetch(found[1])


def test_a_struct_without_bytes_is_read_by_its_path(
    tmp_path: Path, make_images: MakeImages
) -> None:
    """As Hugging Face's datasets read it: relative to the table."""
    (path,) = make_images("images/a.png")
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    column = pa.array([{"bytes": None, "path": "images/a.png"}], kind)
    (sample,) = find_samples([write(tmp_path / "t.parquet", column)], "image")
    assert SampleFetcher(1 << 20, "image")(sample) == path.read_bytes()


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_paths_are_relative_to_their_table(
    tmp_path: Path, make_images: MakeImages, kind: pa.DataType
) -> None:
    """Absolute paths and URIs stay, and an empty cell is a problem of its own row."""
    first, second, third = make_images("a.png", "b.png", "c.png")
    column = pa.array(["a.png", None, str(second), third.as_uri(), "a.png"], kind)
    file = write(tmp_path / "t.parquet", column)
    found = list(find_samples([file], "image"))
    assert [one.path for one in found] == [str(first), f"{file}#1", str(second), third.as_uri()]
    fetch = SampleFetcher(1 << 20, "image")
    for sample, path in zip([found[0], *found[2:]], (first, second, third), strict=True):
        assert fetch(sample) == path.read_bytes()
    with pytest.raises(InvalidRequestError, match="row 1 has no image"):
        fetch(found[1])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_read_as_tables_of_offices_write_it(
    tmp_path: Path, make_images: MakeImages, encoding: str, delimiter: str
) -> None:
    """Encodings with a mark and other delimiters work; an empty cell is a problem."""
    make_images("\u00fc.png")
    lines = [["label", "file"], ["\u00e9", "\u00fc.png"], ["x", ""], ["y"]]
    text = "\r\n".join(delimiter.join(line) for line in lines)
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    options = DatasetOptions("file", "label")
    found = open_labelled(str(tmp_path / "t.csv"), options)
    assert [(one.label, one.row) for one in found] == [("\u00e9", -1), ("x", 1), ("y", 2)]
    assert found[0].path == f"{tmp_path}/\u00fc.png"
    with pytest.raises(InvalidRequestError, match="row 2 has no image"):
        SampleFetcher(9, "file")(found[2])


def test_a_folder_of_tables_is_read_where_a_column_is_given(tmp_path: Path) -> None:
    """Shards count one after the other."""
    for name in ("b", "a"):
        write(tmp_path / f"{name}.parquet", pa.array([name.encode()]))
    fetch = SampleFetcher(9, "image")
    assert [fetch(one) for one in find_samples([str(tmp_path)], "image")] == [b"a", b"b"]


def test_labels_that_are_ids_get_the_names_that_the_file_keeps(tmp_path: Path) -> None:
    """Hugging Face's ClassLabel is shown by name, any other number as it is."""
    table = pa.table({"image": [b"a", b"b"], "label": [1, 0], "other": [3.0, None]})
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    kept = json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": kept}), tmp_path / "t.parquet")
    found = open_labelled(str(tmp_path / "t.parquet"), DatasetOptions("image", "label"))
    assert [one.label for one in found] == ["dog", "cat"]
    found = open_labelled(str(tmp_path / "t.parquet"), DatasetOptions("image", "other"))
    assert [(one.row, one.label) for one in found] == [(0, "3")]


def test_rows_are_fetched_from_any_thread_in_any_order(tmp_path: Path) -> None:
    """Order costs time alone, over row groups and batches."""
    images = [b"%d" % number * 50 for number in range(1000)]
    pq.write_table(pa.table({"image": images}), tmp_path / "t.parquet", row_group_size=300)
    found = list(find_samples([str(tmp_path / "t.parquet")], "image"))
    fetch = SampleFetcher(1000, "image")
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(fetch, found)) == images
        assert list(threads.map(fetch, found[::-37])) == images[::-37]


def test_a_table_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    """One row group of 200 MB costs some of its pages, and not the file's 200 MB."""
    image = bytes(range(256)) * 4000
    table = pa.table({"image": pa.array([image] * 200)})
    path = tmp_path / "t.parquet"
    pq.write_table(table, path, compression="none", use_dictionary=False, write_batch_size=8)
    del table
    fetch, pool, most = SampleFetcher(2 << 20, "image"), pa.default_memory_pool(), 0
    before = pool.bytes_allocated()
    tracemalloc.start()
    for sample in find_samples([str(path)], "image"):
        assert len(fetch(sample)) == len(image)
        most = max(most, pool.bytes_allocated() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 50 << 20
    assert peak < 20 << 20


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.parquet", b"PAR1 nothing PAR1", "cannot be read: .*[Pp]arquet"),
        ("t.parquet", b"", "cannot be read: .*size is 0 bytes"),
        ("t.csv", b"", "has no line with the names of its columns"),
        ("t.csv", b"image,label\n\xe9,x\n", "is not UTF-8. Save it as UTF-8"),
        ("t.csv", b"image\n" + b"x" * 200_000, "cannot be read: field larger than"),
        ("t.csv", b"x" * 200_000 + b",image\na,b\n", "cannot be read: field larger than"),
        (
            "t.csv",
            b"file,label\na,b\n",
            "--column: there is no column 'image' .* It has file, label",
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    """The line names the file, and what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=said) as caught:
        find_samples([str(tmp_path / name)], "image")
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_table_that_is_damaged_in_its_middle_is_a_problem_of_its_rows(tmp_path: Path) -> None:
    """The end of the file, which is read first, tells nothing of it."""
    path = Path(write(tmp_path / "t.parquet", pa.array([b"x" * 1000] * 3)))
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    (sample, *_) = find_samples([str(path)], "image")
    with pytest.raises(InvalidRequestError, match="#0 cannot be read"):
        SampleFetcher(10_000, "image")(sample)


def test_a_column_of_numbers_is_no_column_of_images(tmp_path: Path) -> None:
    """Its type is named; so are the columns where none was given."""
    file = write(tmp_path / "t.parquet", pa.array([1, 2]))
    with pytest.raises(DatasetError, match="holds int64; paths or the bytes of images are needed"):
        find_samples([file], "image")
    with pytest.raises(DatasetError, match=r"--column: which column is it in .* It has image"):
        find_samples([file])
    with pytest.raises(DatasetError, match="--label-column: which column is it"):
        open_labelled(write(tmp_path / "t.parquet", pa.array(["a"])), DatasetOptions("image"))


@pytest.mark.parametrize(
    ("table", "path", "joined"),
    [
        ("s3://b/t/x.csv?region=y", "../a b.png", "s3://b/a%20b.png?region=y"),
        ("s3://b/t/x.csv?region=y", "gs://c/d.png", "gs://c/d.png"),
        ("file:///t%FF/x.csv", "ü.png", "file:///t%FF/%C3%BC.png"),
        ("/t/x.csv", "../a.png", "/t/../a.png"),
        ("/t/x.csv", "/a.png", "/a.png"),
    ],
)
def test_paths_are_joined_to_the_folder_of_their_table(table: str, path: str, joined: str) -> None:
    """The options of a table's URI count for its images, too."""
    assert join_location(table, path) == joined
