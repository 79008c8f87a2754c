"""The folder that a job writes to."""

import os
from pathlib import Path

import pytest

from app.errors import DatasetError
from app.scoring.folder import OutputFolder, describe, refuse


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_what_was_written_is_read_and_listed(tmp_path: Path, scheme: str) -> None:
    """A path and a file URI name the same folder; nothing else is left in it."""
    folder = OutputFolder(f"{scheme}{tmp_path}/out")
    assert folder.is_empty()
    folder.write("rows/b", b"1")
    folder.write("rows/a", b"2")
    folder.write("rows/b", b"3")
    assert folder.list_files("rows") == ["a", "b"]
    assert folder.read("rows/b") == b"3"
    assert folder.has("rows/a")
    assert not folder.has("rows")
    assert not list(tmp_path.rglob("*.tmp"))


def test_what_does_not_reach_the_disk_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of before stays, and nothing else, where the disk takes no more."""
    folder = OutputFolder(str(tmp_path))
    folder.write("rows/a", b"1")

    def refuse_sync(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse_sync)
    with pytest.raises(OSError, match="Input/output error"):
        folder.write("rows/a", b"2")
    assert folder.read("rows/a") == b"1"
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_file_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    """What was being written when a run was killed goes; everything else stays."""
    folder = OutputFolder(str(tmp_path))
    folder.write(".vitrine/job.json", b"{}")
    (tmp_path / ".vitrine" / "1234.tmp").write_bytes(b"half")
    folder.remove_unfinished()
    assert folder.list_files(".vitrine") == ["job.json"]


def test_clear_removes_what_it_is_told_and_nothing_else(tmp_path: Path) -> None:
    """A file of the user's own survives."""
    folder = OutputFolder(str(tmp_path))
    folder.write("rows/a", b"")
    folder.write("report.html", b"")
    (tmp_path / "mine.txt").write_text("keep")
    folder.clear(["report.html", "missing"], ["rows", "missing"])
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["mine.txt"]


def test_an_unknown_file_system_is_one_line() -> None:
    """A scheme that nobody knows is refused, and by name."""
    with pytest.raises(DatasetError, match=r"--out gopher://x/y cannot be used: .*gopher"):
        OutputFolder("gopher://x/y")


def test_a_failure_is_described_in_a_few_words() -> None:
    """The system's words are used, without numbers and without lines below the first."""
    with (
        pytest.raises(DatasetError, match=r"^it failed: No space left on device\. Give"),
        refuse("it failed"),
    ):
        raise OSError(28, "No space left on device")
    arrow = OSError(
        "[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on it"
    )
    assert describe(arrow) == "No space left on it"


def test_a_secret_of_a_uri_is_not_shown() -> None:
    """Neither user nor password nor options are in the name that messages have."""
    assert OutputFolder("s3://key:secret@bucket/out?region=eu").name == "s3://bucket/out"
