"""What a user names: files, folders, patterns and URIs, and what is said where nothing is found."""

import os
import threading
import time
from pathlib import Path

import pytest

from app.datasets.fetcher import SampleFetcher
from app.datasets.inputs import find_samples
from app.datasets.names import show_location
from app.datasets.remote_storage import connect
from app.datasets.walk import walk_files
from app.errors import DatasetError, InvalidRequestError
from tests.datasets.conftest import MakeImages


def list_paths(root: Path, *inputs: str, column: str | None = None) -> list[str]:
    """List what inputs below a folder give, without the folder."""
    found = find_samples([f"{root}/{one}" for one in inputs], column)
    return [sample.path.removeprefix(f"{root}/") for sample in found]


def test_a_folder_counts_with_all_below_it_sorted(tmp_path: Path, make_images: MakeImages) -> None:
    """Images of any case are found; hidden ones and other files are not."""
    make_images("b.PNG", "a.jpg", "sub/deep/c.WebP", ".DS_Store", "._a.jpg", "__MACOSX/a.jpg")
    make_images("notes.txt", ".git/x.png")
    assert list_paths(tmp_path, "") == ["a.jpg", "b.PNG", "sub/deep/c.WebP"]


def test_a_file_that_is_named_itself_may_have_any_name(
    tmp_path: Path, make_images: MakeImages
) -> None:
    """Neither its suffix nor brackets in its name keep it from being read."""
    make_images("picture", "img[1].bin")
    assert list_paths(tmp_path, "picture", "img[1].bin") == ["picture", "img[1].bin"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.png", ["a.png"]),
        ("*", ["a.png", "note", "x/b.png", "x/y/c.png", "z/b.png"]),
        ("**/*.png", ["a.png", "x/b.png", "x/y/c.png", "z/b.png"]),
        ("[xz]/b.*", ["x/b.png", "z/b.png"]),
        ("x/**/c.*", ["x/y/c.png"]),
        ("?/y", ["x/y/c.png"]),
    ],
)
def test_a_pattern_names_files_and_folders(
    tmp_path: Path, make_images: MakeImages, pattern: str, found: list[str]
) -> None:
    """A file that it names may have any name; a folder that it names counts with all below it."""
    make_images("a.png", "x/b.png", "x/y/c.png", "z/b.png", "note")
    assert list_paths(tmp_path, pattern) == found


def test_an_image_counts_once(
    tmp_path: Path, make_images: MakeImages, caplog: pytest.LogCaptureFixture
) -> None:
    """A second name of the same file is left out, and counted in the log."""
    make_images("a.png", "x/b.png")
    assert list_paths(tmp_path, "a.png", "", "x") == ["a.png", "x/b.png"]
    assert "2 images were named more than once" in caplog.text


def test_links_that_lead_in_a_circle_end(tmp_path: Path, make_images: MakeImages) -> None:
    """Each folder is read once, by whatever links it is reached; a dangling link is a sample."""
    make_images("x/a.png")
    (tmp_path / "x" / "back").symlink_to(tmp_path)
    (tmp_path / "y").symlink_to(tmp_path / "x")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    assert list_paths(tmp_path, "") == ["gone.png", "x/a.png"]


@pytest.mark.parametrize("named", ["", "*", "*/*.png"])
def test_a_name_that_is_not_utf_8_is_shown_and_read(
    tmp_path: Path, make_images: MakeImages, named: str
) -> None:
    """Its path and URI are valid Unicode, and its bytes are found by them."""
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 #1%20")
    make_images(f"{folder}/\u00fc?.png")
    (sample,) = find_samples([f"{tmp_path}/{named}"])
    assert sample.path == f"{tmp_path}/caf\\xe9 #1%20/\u00fc?.png"
    assert sample.uri.encode()
    assert SampleFetcher(1 << 20)(sample).startswith(b"\x89PNG")


def test_a_uri_of_this_machine_is_a_path(make_images: MakeImages) -> None:
    """file:// works for files, folders and patterns, without pyarrow."""
    (path,) = make_images("a b/c#d.png")
    uri = path.parent.as_uri()
    for one in (uri, f"{uri}/*.png", path.as_uri()):
        assert [sample.path for sample in find_samples([one])] == [str(path)]


def test_a_filesystem_of_pyarrows_is_walked_and_read(
    tmp_path: Path, make_images: MakeImages
) -> None:
    """Listing, names and bytes by pyarrow are those of the same folder without it."""
    paths = make_images("a.png", "s b/%41#\u00fc.png", ".hidden.png")
    storage, head = connect("file://", "")
    found = list(walk_files(storage, head + str(tmp_path)))
    assert found == [str(path) for path in paths[:2]]
    assert storage.make_uri(found[1]) == paths[1].as_uri()
    assert storage.show(found[0]) == f"file://{paths[0]}"
    with storage.open(found[1]) as file:
        assert file.read() == paths[1].read_bytes()
    assert storage.find_kind(f"{tmp_path}/none") == "nothing"


def test_neither_password_nor_options_of_a_uri_are_shown() -> None:
    """What is shown names the bucket and the key alone; what is read has all."""
    options = "endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
    storage, head = connect("s3://key:secret@bucket", options)
    assert storage.show(f"{head}/a b.png") == "s3://bucket/a b.png"
    assert show_location(f"s3://key:secret@bucket/a b.png?{options}") == "s3://bucket/a b.png"
    assert show_location("what?/is@here") == "what?/is@here"
    assert storage.make_uri(f"{head}/a b.png") == f"s3://key:secret@bucket/a%20b.png?{options}"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("none.png", "does not exist"),
        ("*.gif", r"has no image: files end in \.avif"),
        ("empty", r"has no image: files end in \.avif"),
        ("a\0b", "b does not exist"),
    ],
)
def test_an_input_without_images_is_refused_before_the_first_sample(
    tmp_path: Path, make_images: MakeImages, named: str, said: str
) -> None:
    """The last input is looked at before the first one's samples are given."""
    make_images("a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=said):
        find_samples([str(tmp_path), f"{tmp_path}/{named}"])


def test_a_scheme_that_nothing_reads_is_refused() -> None:
    """An address of the web is no filesystem; the line is one."""
    with pytest.raises(DatasetError, match="Unrecognized filesystem type") as caught:
        find_samples(["http://example.org/a.png"])
    assert "\n" not in str(caught.value)


def test_what_cannot_be_fetched_is_a_problem_that_names_it(make_images: MakeImages) -> None:
    """A file that vanished and a pipe are problems; nothing waits, and no pipe is opened."""
    (path,) = make_images("a.png")
    (sample,) = find_samples([str(path)])
    path.unlink()
    with pytest.raises(InvalidRequestError, match=r"a\.png cannot be read: No such file"):
        SampleFetcher(100)(sample)
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.open("wb").close())  # waits for a reader
    writer.start()
    time.sleep(0.3)  # until it surely waits
    with pytest.raises(InvalidRequestError, match=r"a\.png cannot be read: it is no regular file"):
        SampleFetcher(100)(sample)
    writer.join(0.3)
    assert writer.is_alive()
    path.open("rb").close()
    writer.join(10)


def test_no_more_of_a_file_is_read_than_the_limit_and_a_byte(tmp_path: Path) -> None:
    """A file of any size costs the limit."""
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(1 << 40)
    (sample,) = find_samples([str(tmp_path)])
    assert len(SampleFetcher(1000)(sample)) == 1001
