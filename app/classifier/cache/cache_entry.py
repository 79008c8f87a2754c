"""One converted model on disk, and who makes it.

It appears whole, by a rename. Who makes one holds the cache's lock and the others wait, so that one
process at a time converts. It knows nothing of what an entry holds.
"""

import contextlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from app.errors import ConversionError

MAX_ENTRIES = 4
"""Entries that are kept: those that were used last."""

STALE_S = 3600.0
"""Seconds after which what was never finished is removed, and the reason of a failure."""

RETRY_S = 60.0
"""Seconds until a conversion that failed is tried again: more than from its start, ahead, to that
of the classifier, and so few because memory may have been short."""

DAMAGE = (OSError, ValueError)
"""What reading an entry that is missing or damaged raises."""

UNFINISHED = ".vitrine-"
"""Names of what is not finished begin so."""

_ENTRY = re.compile(r"[0-9a-f]{64}")
_LEFT = re.compile(rf"{re.escape(UNFINISHED)}.*|{_ENTRY.pattern}\.failed")
_T = TypeVar("_T")

_logger = logging.getLogger("vitrine.classifier")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One entry, which may not exist yet.

    Attributes:
        cache: the folder of all entries.
        key: the name of this one, 64 hexadecimal digits.
    """

    cache: Path
    key: str

    @property
    def folder(self) -> Path:
        """Its own folder."""
        return self.cache / self.key

    @property
    def _failure(self) -> Path:
        """The file that tells why it could not be made."""
        return self.cache / f"{self.key}.failed"

    def load(self, read: Callable[[Path], _T], write: Callable[[Path], None]) -> _T:
        """Read it; have it written first where it does not exist or is damaged.

        Args:
            read: reads and checks a folder; raises one of DAMAGE.
            write: writes the files into an empty folder.

        Raises:
            OSError: it cannot be kept.
            ConversionError: as `write` raised it less than RETRY_S ago.
            Exception: what `write` raises, and what `read` raises of what was just written.
        """
        with contextlib.suppress(*DAMAGE):
            return self._read(read)
        with _locked(self.cache):
            if self.folder.exists():
                try:
                    return self._read(read)  # another process has made it meanwhile
                except DAMAGE as exc:
                    message = "%s is damaged, so the model is converted again: %s"
                    _logger.warning(message, self.folder, exc)
                    shutil.rmtree(self.folder)
            self._check_failure()
            self._make(write)
        return self._read(read)

    def _read(self, read: Callable[[Path], _T]) -> _T:
        """Read it, and note that it is used."""
        found = read(self.folder)
        with contextlib.suppress(OSError):
            os.utime(self.folder)
        return found

    def _make(self, write: Callable[[Path], None]) -> None:
        """Have the files written, and let them appear at once; raises as `load`."""
        with tempfile.TemporaryDirectory(
            prefix=UNFINISHED, dir=self.cache, ignore_cleanup_errors=True
        ) as made:
            try:
                write(Path(made))
            except ConversionError as exc:
                with contextlib.suppress(OSError):
                    self._failure.write_text(str(exc), "utf-8")
                raise
            for path in Path(made).iterdir():
                path.chmod(0o600)
            try:
                Path(made).rename(self.folder)
            except OSError:
                if not self.folder.exists():  # else another was faster: there are no locks here
                    raise
        _remove_old(self.cache)

    def _check_failure(self) -> None:
        """Raise ConversionError if that was raised within RETRY_S."""
        with contextlib.suppress(OSError):
            if time.time() - self._failure.stat().st_mtime < RETRY_S:
                raise ConversionError(self._failure.read_text("utf-8", "replace"))


@contextlib.contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Keep other processes from converting meanwhile, where the file system has locks."""
    import fcntl  # noqa: PLC0415 - not on Windows

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            lock = stack.enter_context((cache / "lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _logger.info("another process converts a model; waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_old(cache: Path) -> None:
    """Remove all but the entries that were used last, and what is left of others; nothing else."""
    found: dict[Path, float] = {}
    for path in cache.iterdir():
        with contextlib.suppress(OSError):  # another process removes too
            found[path] = path.stat().st_mtime
    entries = [path for path in found if _ENTRY.fullmatch(path.name) and path.is_dir()]
    old = sorted(entries, key=lambda path: -found[path])[MAX_ENTRIES:]
    stale = time.time() - STALE_S
    old += [path for path, used in found.items() if _LEFT.fullmatch(path.name) and used < stale]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            path.unlink()
