"""The cache of converted models: a private folder, one entry for each content and version.

An entry is a folder that appears whole, by a rename, and is checked each time it is read. What is
not this user's alone is refused. It knows nothing of what an entry holds but `read_converted`.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from app.classifier.cache.converted_model import ConvertedModel, read_converted
from app.classifier.checkpoint.digest import hash_file
from app.classifier.checkpoint.files import Checkpoint

MAX_ENTRIES = 4
"""Entries that are kept: those that were used last."""

STALE_S = 3600.0
"""Seconds after which an entry that was never finished is removed."""

PACKAGES = ("openvino", "torch", "transformers", "numpy", "pillow")
"""Another version of these may convert to something else."""

_UNFINISHED = ".new-"
_KEY_LENGTH = 64
_APP = Path(__file__).parents[2]

_logger = logging.getLogger("vitrine.classifier")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One entry, which may not exist yet.

    Attributes:
        cache: the folder of all entries.
        key: the name of this one.
    """

    cache: Path
    key: str

    @property
    def folder(self) -> Path:
        """Its own folder."""
        return self.cache / self.key

    def read(self) -> ConvertedModel | None:
        """Read it, and note that it is used; None where it does not exist or was damaged."""
        if not self.folder.exists():
            return None
        try:
            model = read_converted(self.folder)
        except (OSError, ValueError) as exc:
            self.discard(exc)
            return None
        with contextlib.suppress(OSError):
            os.utime(self.folder)
        return model

    def discard(self, reason: Exception) -> None:
        """Remove it, with a warning."""
        _logger.warning("%s is damaged, so the model is converted again: %s", self.folder, reason)
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, write: Callable[[Path], None]) -> Path:
        """Have its files written, and let them appear at once; raises OSError."""
        made = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.cache))
        try:
            write(made)
            for path in made.iterdir():
                path.chmod(0o600)
            made.rename(self.folder)
        except OSError:
            shutil.rmtree(made, ignore_errors=True)
            if self.read() is None:  # else another process was faster, without a lock
                raise
        _remove_old(self.cache)
        return self.folder

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from converting meanwhile, where the file system has locks."""
        import fcntl  # noqa: PLC0415 - not on Windows

        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                file = stack.enter_context((self.cache / "lock").open("w"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def find_cache(folder: str | None) -> Path | None:
    """Find the cache of VITRINE_CACHE: a folder, `off`, or None for the default; None for none."""
    if folder == "off":
        return None
    if folder is not None:
        return Path(folder).expanduser().absolute()
    parent = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (parent if parent.is_absolute() else Path.home() / ".cache") / "vitrine"
    except RuntimeError:  # this user has no home
        return None


def open_entry(cache: Path | None, checkpoint: Checkpoint, precision: str) -> CacheEntry | None:
    """Find the entry of a checkpoint; None, with a warning, where the folder cannot be trusted.

    Args:
        cache: the folder of all entries, made where it is missing; None for no cache.
        checkpoint: whose content is part of the key.
        precision: of the engine; `int8` for the processor of a quantized checkpoint alone.
    """
    if cache is None or not hasattr(os, "geteuid"):  # Windows has no owners and modes
        return None
    entry = CacheEntry(cache, make_key(checkpoint, precision))
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (cache, entry.folder, *entry.folder.glob("*")):
            _check_private(path)
    except OSError as exc:
        _logger.warning("converted models are not kept: %s", exc)
        return None
    return entry


def make_key(checkpoint: Checkpoint, precision: str) -> str:
    """Name what a conversion depends on: the files, the precision, the libraries and our code."""
    facts = [checkpoint.digest, precision, _hash_sources(), *map(version, PACKAGES)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


@cache
def _hash_sources() -> str:
    """Hash the modules that convert: a working copy changes without a new version."""
    paths = [_APP / "backend.py", *sorted((_APP / "classifier").rglob("*.py"))]
    digests = [hash_file(path) for path in paths]
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _check_private(path: Path) -> None:
    """Raise PermissionError for what another user could have written."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise PermissionError(f"{path} is a symbolic link")
    if found.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{path} can be written by other users; run chmod go-w on it")


def _remove_old(cache: Path) -> None:
    """Remove all but the entries that were used last, and what was never finished."""
    found: dict[Path, float] = {}
    for path in cache.iterdir():
        with contextlib.suppress(OSError):  # another process removes too
            found |= {path: path.stat().st_mtime} if path.is_dir() else {}
    entries = [path for path in found if len(path.name) == _KEY_LENGTH]
    old = sorted(entries, key=lambda path: -found[path])[MAX_ENTRIES:]
    old += [
        path
        for path, used in found.items()
        if path.name.startswith(_UNFINISHED) and used < time.time() - STALE_S
    ]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
