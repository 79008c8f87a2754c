"""The cache of converted models: read where it is whole and ours, made anew or refused else."""

import errno
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from app.backend import Logits
from app.classifier.cache import model_cache
from app.classifier.cache.cache_entry import MAX_ENTRIES, RETRY_S, STALE_S, UNFINISHED
from app.classifier.cache.converted_model import (
    EXPECTED,
    MODEL,
    read_converted,
    write_manifest,
)
from app.classifier.cache.model_cache import find_cache, make_key, open_entry
from app.classifier.checkpoint.files import Checkpoint, open_checkpoint
from app.classifier.engines import openvino
from app.classifier.engines.conversion_process import run_conversion
from app.classifier.engines.engine import Precision
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.classifier.startup import read_engine_options
from app.errors import ConversionError
from app.settings import Settings
from tests.support.checkpoints import SIDE, copy_checkpoint, edit_json
from tests.support.converting import read_loaded, start_loading

PIXELS = np.random.default_rng(7).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)


def load(folder: Path, cache: Path | None) -> Logits:
    """Load a checkpoint on one thread and score PIXELS."""
    model = Model(open_checkpoint(str(folder)), EngineOptions("cpu", cache=cache))
    assert model.description.engine == "openvino fp32"
    model.engine.set_threads(1)
    return model.forward(PIXELS)


def list_entries(cache: Path) -> list[Path]:
    """List the entries of a cache, and what was never finished."""
    return sorted(path for path in cache.iterdir() if path.is_dir())


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The path of a cache that does not exist yet."""
    return tmp_path / "above" / "cache"


@pytest.fixture
def entry(vit: Path, cache: Path) -> Path:
    """The folder of the only entry of `cache`."""
    load(vit, cache)
    (folder,) = list_entries(cache)
    return folder


def test_a_hit_needs_neither_torch_nor_transformers_and_gives_the_same_bits(
    vit: Path, cache: Path
) -> None:
    """Another process reads what this one has converted, with equal logits."""
    logits = load(vit, cache)
    found = read_loaded(start_loading(vit, cache))
    assert found == {
        "logits": logits.tolist(),
        "engine": "openvino fp32",
        "heavy": [],
        "lines": [],
    }
    assert len(list_entries(cache)) == 1


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


def test_only_this_user_may_read_the_cache(vit: Path, cache: Path) -> None:
    """Whatever the umask."""
    before = os.umask(0)
    try:
        load(vit, cache)
    finally:
        os.umask(before)
    (entry,) = list_entries(cache)
    assert {path.stat().st_mode & 0o777 for path in (cache, entry)} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in entry.iterdir()} == {0o600}


def truncate(path: Path) -> None:
    """Cut the second half off."""
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def forge(path: Path) -> None:
    """Write whole files, but with other logits than the model's."""
    model = read_converted(path.parent)
    np.save(path, np.zeros((5, 5), np.float32))
    write_manifest(path.parent, model.geometry, model.scaling)


def change_resampling(path: Path) -> None:
    """Write a manifest that is valid, but reads images in another way."""
    text = path.read_text()
    assert '"resample":2' in text
    path.write_text(text.replace('"resample":2', '"resample":0'))


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        (MODEL, truncate),
        ("model.bin", truncate),
        ("model.bin", flip),
        ("model.bin", Path.unlink),
        ("manifest.json", truncate),
        ("manifest.json", change_resampling),
        ("manifest.sha256", Path.unlink),
        ("manifest.json", Path.unlink),
        ("another", Path.touch),
        (EXPECTED, forge),
    ],
)
def test_a_damaged_entry_is_made_anew(
    name: str,
    spoil: Callable[[Path], None],
    vit: Path,
    entry: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line says so, the logits are right, and the entry is whole again."""
    spoil(entry / name)
    with caplog.at_level(logging.WARNING, "vitrine"):
        logits = load(vit, entry.parent)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"{entry} is damaged, so the model is converted again: ")
    np.testing.assert_array_equal(logits, load(vit, None))
    assert list_entries(entry.parent) == [entry]
    read_converted(entry)


def test_an_entry_that_cannot_be_run_now_stays(
    vit: Path, entry: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is whole: there may be too little memory, and a conversion would need more."""

    def fail(*_: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(openvino.OpenvinoEngine, "set_threads", fail)
    with caplog.at_level(logging.WARNING, "vitrine"):
        options = EngineOptions("cpu", cache=entry.parent)
        assert Model(open_checkpoint(str(vit)), options).engine.name == "torch"
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("going on with torch: OpenVINO cannot run ")
    read_converted(entry)


@pytest.mark.parametrize("package", ["openvino", "torch", "transformers", "numpy", "pillow"])
def test_another_version_has_another_entry(
    package: str, vit: Path, cache: Path, entry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another version of a library has converted is not read."""
    monkeypatch.setattr(
        model_cache, "version", lambda name: "another" if name == package else version(name)
    )
    load(vit, cache)
    assert len(list_entries(cache)) == 2
    assert entry in list_entries(cache)


def test_other_files_and_another_precision_have_another_entry(vit: Path, tmp_path: Path) -> None:
    """Every file that transformers may read counts; where they are and what they are called not."""
    checkpoint = open_checkpoint(str(vit))
    keys = {make_key(checkpoint, "fp32"), make_key(checkpoint, "bf16")}
    folder = copy_checkpoint(vit, tmp_path / "copy")
    assert make_key(open_checkpoint(str(folder)), "fp32") in keys
    edit_json(folder / "preprocessor_config.json", do_normalize=False)
    keys.add(make_key(open_checkpoint(str(folder)), "fp32"))
    (folder / "processor_config.json").write_text("{}")
    keys.add(make_key(open_checkpoint(str(folder)), "fp32"))
    assert len(keys) == 4


def widen(cache: Path) -> None:
    """Let the group write into the folder."""
    cache.chmod(0o770)


def widen_entry(cache: Path) -> None:
    """Let everybody write one file."""
    next(cache.glob("*/model.bin")).chmod(0o602)


def link(cache: Path) -> None:
    """Put the folder elsewhere."""
    cache.rename(cache.parent / "elsewhere")
    cache.symlink_to(cache.parent / "elsewhere")


def link_file(cache: Path) -> None:
    """Put one file elsewhere."""
    path = next(cache.glob("*/model.bin"))
    path.rename(cache.parent / "elsewhere")
    path.symlink_to(cache.parent / "elsewhere")


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (widen, "can be written by other users"),
        (widen_entry, "can be written by other users"),
        (link, "is a symbolic link"),
        (link_file, "is a symbolic link"),
    ],
)
def test_what_another_user_could_have_written_is_refused(
    spoil: Callable[[Path], None],
    reason: str,
    vit: Path,
    cache: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line says why, the model is converted without the cache, and that is left as it is."""
    spoil(cache)
    before = sorted((path, path.stat().st_mtime_ns) for path in cache.rglob("*"))
    with caplog.at_level(logging.WARNING, "vitrine"):
        np.testing.assert_array_equal(load(vit, cache), load(vit, None))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("converted models are not kept: ")
    assert reason in line
    assert sorted((path, path.stat().st_mtime_ns) for path in cache.rglob("*")) == before


@pytest.mark.usefixtures("entry")
def test_what_belongs_to_another_user_is_refused(
    vit: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The owner of the folder must be the user that serves."""
    monkeypatch.setattr(os, "geteuid", lambda: cache.stat().st_uid + 1)
    with caplog.at_level(logging.WARNING, "vitrine"):
        load(vit, cache)
    assert [record.getMessage() for record in caplog.records] == [
        f"converted models are not kept: {cache} belongs to another user"
    ]


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


@pytest.mark.parametrize(
    ("value", "variable", "expected"),
    [
        ("off", "/x", None),
        ("/there", "/x", Path("/there")),
        ("~/there", "/x", Path("/home/me/there")),
        (None, "/x", Path("/x/vitrine")),
        (None, "", Path("/home/me/.cache/vitrine")),
        (None, "relative", Path("/home/me/.cache/vitrine")),
    ],
)
def test_the_cache_is_where_the_setting_says(
    value: str | None, variable: str, expected: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, or the user's own cache; an XDG folder that is relative is ignored."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    assert find_cache(value) == expected


def test_the_setting_reaches_the_engine() -> None:
    """VITRINE_CACHE=off keeps nothing."""
    assert read_engine_options(Settings(cache="off")).cache is None
    assert read_engine_options(Settings(cache="/there")).cache == Path("/there")
