"""The cache of converted models: read where it is whole and ours, made anew or refused else."""

import logging
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from app.classifier.cache import model_cache
from app.classifier.cache.converted_model import (
    EXPECTED,
    MODEL,
    read_converted,
    write_manifest,
)
from app.classifier.cache.model_cache import find_cache, make_key
from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines import openvino
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.classifier.startup import read_engine_options
from app.settings import Settings
from tests.support.caches import list_entries, load
from tests.support.checkpoints import copy_checkpoint, edit_json
from tests.support.converting import read_loaded, start_loading


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


def test_a_package_without_a_version_keeps_nothing(
    vit: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a build of one's own under another name; the model is served without the cache."""
    monkeypatch.setattr(model_cache, "PACKAGES", ("no-such-package",))
    with caplog.at_level(logging.WARNING, "vitrine"):
        load(vit, cache)
    assert "no-such-package" in caplog.text
    assert not cache.exists()


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
