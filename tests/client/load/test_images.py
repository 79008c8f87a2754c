"""The images of a load test: what is read, and what is refused in one line."""

import os
import shutil
from pathlib import Path

import pytest

from app.client.load.images import MAX_IMAGES, read_images
from app.errors import ServiceError
from tests.support.service import SAMPLES, SEVEN


def test_files_and_folders_are_read_in_order(tmp_path: Path) -> None:
    """A folder with those below it; what is no image there is passed over."""
    (tmp_path / "below").mkdir()
    shutil.copy(SEVEN, tmp_path / "below" / "7.png")
    (tmp_path / "notes.txt").write_text("no image")
    found = read_images([SEVEN, tmp_path])
    assert [one.path for one in found] == [SEVEN, tmp_path / "below" / "7.png"]
    assert {one.media_type for one in found} == {"image/png"}
    assert found[0].content == SEVEN.read_bytes()
    assert len(read_images([SAMPLES])) == 20


def test_of_many_images_some_are_taken_from_everywhere(tmp_path: Path) -> None:
    """So that memory has a bound, and every class of a sorted folder its part."""
    for number in range(2 * MAX_IMAGES):
        (tmp_path / f"{number:04}.png").write_bytes(b"\x89PNG")
    names = [one.path.name for one in read_images([tmp_path])]
    assert (len(names), names[0], names[-1]) == (MAX_IMAGES, "0000.png", "1998.png")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.png", "cannot be read: No such file or directory."),
        ("text.png", "is no image but text/plain."),
        ("empty.png", "is no image but empty."),
        ("folder", "has no images."),
        ("pipe.png", "is not a file."),
        ("huge.png", "all images may have 268435456 bytes. Name fewer."),
        ("red\x1b[31m.png", "red\ufffd[31m.png cannot be read"),
    ],
)
def test_what_is_no_image_is_told(tmp_path: Path, name: str, said: str) -> None:
    """In one line; a pipe is not waited for, and no large file is read."""
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ServiceError) as caught:
        read_images([tmp_path / name])
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
