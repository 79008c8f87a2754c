"""One converted model on disk: made once, whole or not at all, and kept while it is used."""

import errno
import logging
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.classifier.cache.cache_entry import MAX_ENTRIES, RETRY_S, STALE_S, UNFINISHED
from app.classifier.cache.converted_model import (
    read_converted,
)
from app.classifier.cache.model_cache import open_entry
from app.classifier.checkpoint.files import Checkpoint, open_checkpoint
from app.classifier.engines import openvino
from app.classifier.engines.conversion_process import run_conversion
from app.classifier.engines.engine import Precision
from app.errors import ConversionError
from tests.support.caches import list_entries, load
from tests.support.converting import read_loaded, start_loading


def test_processes_that_start_at_once_convert_in_processes_of_their_own(
    vit: Path, cache: Path
) -> None:
    """Both get the same model, the cache one entry, and neither has torch."""
    started = [start_loading(vit, cache) for _ in range(2)]
    one, other = map(read_loaded, started)
    assert one == other
    assert one["heavy"] == []
    assert one["logits"] == load(vit, None).tolist()
    assert [len(path.name) for path in list_entries(cache)] == [64]


def test_a_conversion_that_fails_is_tried_once_by_all_that_start(vit: Path, cache: Path) -> None:
    """Those that waited for it get its error; later it is tried again."""
    entry = open_entry(cache, open_checkpoint(str(vit)), "fp32")
    assert entry is not None
    tried: list[Path] = []

    def fail(folder: Path) -> None:
        tried.append(folder)
        time.sleep(0.1)
        raise ConversionError("no such operator")

    def start(_number: int) -> None:
        with pytest.raises(ConversionError, match="no such operator"):
            entry.load(read_converted, fail)

    with ThreadPoolExecutor() as pool:
        list(pool.map(start, range(3)))
    assert len(tried) == 1
    assert list_entries(cache) == []
    failure = cache / f"{entry.key}.failed"
    os.utime(failure, (time.time() - RETRY_S,) * 2)
    load(vit, cache)
    assert [path.name for path in list_entries(cache)] == [entry.key]


def test_who_waits_for_a_conversion_says_so(
    vit: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One converts at a time; the other reads what that has written."""
    entry = open_entry(cache, open_checkpoint(str(vit)), "fp32")
    assert entry is not None
    begun, written = threading.Event(), threading.Event()

    def write(_folder: Path) -> None:
        begun.set()
        assert written.wait(20)

    with caplog.at_level(logging.INFO, "vitrine"), ThreadPoolExecutor() as pool:
        first = pool.submit(entry.load, os.listdir, write)
        assert begun.wait(20)
        second = pool.submit(entry.load, os.listdir, Path.unlink)
        while not caplog.records:
            time.sleep(0.01)
        written.set()
        assert first.result() == second.result() == []
    assert [record.getMessage() for record in caplog.records] == [
        "another process converts a model; waiting for it"
    ]


def test_what_cannot_be_renamed_is_told_as_it_is(
    vit: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that fails late costs one more conversion, into the system's temporary folder."""
    rename, written = Path.rename, []

    def fail(path: Path, target: Path) -> Path:
        if target.parent == cache:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    def count(checkpoint: Checkpoint, precision: Precision, folder: Path) -> None:
        written.append(folder.parent)
        run_conversion(checkpoint, precision, folder)

    monkeypatch.setattr(Path, "rename", fail)
    monkeypatch.setattr(openvino, "run_conversion", count)
    with caplog.at_level(logging.WARNING, "vitrine"):
        load(vit, cache)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "the converted model is not kept: [Errno 5] Input/output error"
    assert written == [cache, Path(tempfile.gettempdir())]
    assert list_entries(cache) == []


def test_a_full_disk_leaves_nothing_and_stops_nothing(
    vit: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The model is served from the system's temporary folder."""
    make = tempfile.mkdtemp

    def fail(suffix: str | None = None, prefix: str | None = None, dir: object = None) -> str:  # noqa: A002 - its name
        if dir == cache:
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(suffix, prefix, str(dir) if dir else None)

    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    with caplog.at_level(logging.WARNING, "vitrine"):
        load(vit, cache)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "the converted model is not kept: [Errno 28] No space left on device"
    assert list_entries(cache) == []


def test_an_entry_that_cannot_be_written_whole_does_not_appear(vit: Path, cache: Path) -> None:
    """Files have a maximum size here, as a full disk has: one line says what to do."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
    found = read_loaded(start_loading(vit, cache, before=limit))
    assert found["error"] == "CheckpointError"
    assert "Free some space." in str(found["message"])
    assert list_entries(cache) == []


def test_the_entries_that_were_used_last_are_kept(vit: Path, cache: Path) -> None:
    """Older ones go, and so does what was never finished; all that is not the cache's stays."""
    cache.mkdir(parents=True, mode=0o700)
    names = [f"{number:064d}" for number in range(MAX_ENTRIES + 1)]
    foreign = [cache / name for name in (".ssh", ".git", "a" * 63, "a" * 65, "x.failed", "lock")]
    for path in foreign:
        path.touch()
        os.utime(path, (1, 1))
    failure = cache / f"{names[0]}.failed"
    failure.touch()
    os.utime(failure, (1, 1))
    unfinished = [f"{UNFINISHED}now", f"{UNFINISHED}old"]
    for age, name in enumerate([*names, *unfinished]):
        (cache / name).mkdir()
        used = (cache / name).stat().st_mtime - (age if age < len(names) + 1 else STALE_S + 1)
        os.utime(cache / name, (used, used))
    load(vit, cache)
    kept = {path.name for path in list_entries(cache)}
    assert kept > {*names[: MAX_ENTRIES - 1], unfinished[0]}
    assert len(kept) == MAX_ENTRIES + 1
    assert not failure.exists()
    assert all(path.exists() for path in foreign)


def test_a_hit_counts_as_use(vit: Path, cache: Path, entry: Path) -> None:
    """So that what is served each day is not removed for what was served once."""
    os.utime(entry, (1, 1))
    load(vit, cache)
    assert entry.stat().st_mtime > 1
