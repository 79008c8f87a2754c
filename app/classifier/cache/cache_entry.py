"""One converted model on disk, and who makes it.

It appears whole, by a rename. Who makes it holds its lock and the others wait, so that one process
converts whoever else starts. It knows nothing of what an entry holds.
"""

import contextlib
import logging
import os
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
"""Seconds after which an entry that was never finished is removed, and a lock."""

RETRY_S = 60.0
"""Seconds until a conversion that failed is tried again: more than from its start, ahead, to that
of the classifier, and so few because memory may have been short."""

_UNFINISHED = ".new-"
_KEY_LENGTH = 64
_DAMAGED = "%s is damaged, so the model is converted again: %s"
_T = TypeVar("_T")

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

    @property
    def _lock(self) -> Path:
        """The file that who makes it locks, and that tells why nobody can."""
        return self.cache / f".{self.key}"

    def load(self, read: Callable[[Path], _T], write: Callable[[Path], None]) -> _T:
        """Read and check it by `read`, and note that it is used; `make` it if that fails.

        Raises what `make` raises. `read` may raise OSError, ValueError and RuntimeError.
        """
        for _ in range(2):
            self.make(write)
            try:
                found = read(self.folder)
            except (OSError, ValueError, RuntimeError) as exc:
                _logger.warning(_DAMAGED, self.folder, exc)
                shutil.rmtree(self.folder, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.utime(self.folder)
                return found
        raise OSError(f"{self.folder} is damaged as soon as it is written")

    def make(self, write: Callable[[Path], None]) -> None:
        """Have its files written, and let them appear at once, unless they are there already.

        Raises OSError where it cannot be kept, and StartupError of `write`, which is not called
        again for RETRY_S where that is a ConversionError.
        """
        if self.folder.exists():
            return
        with self._locked():
            if self.folder.exists():  # another process has made it meanwhile
                return
            self._check_failure()
            with tempfile.TemporaryDirectory(
                prefix=_UNFINISHED, dir=self.cache, ignore_cleanup_errors=True
            ) as made:
                self._fill(Path(made), write)
        _remove_old(self.cache)

    def _fill(self, made: Path, write: Callable[[Path], None]) -> None:
        """Fill a folder, and make it the entry's; raises what `make` raises."""
        try:
            write(made)
        except ConversionError as exc:
            with contextlib.suppress(OSError):
                self._lock.write_text(str(exc), "utf-8")
            raise
        for path in made.iterdir():
            path.chmod(0o600)
        with contextlib.suppress(OSError):  # another process was faster, without a lock
            made.rename(self.folder)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from making it meanwhile, where the file system has locks."""
        import fcntl  # noqa: PLC0415 - not on Windows

        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                lock = os.open(self._lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
                stack.callback(os.close, lock)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _check_failure(self) -> None:
        """Raise ConversionError if that was raised within RETRY_S."""
        with contextlib.suppress(OSError):
            reason = self._lock.read_text("utf-8", "replace")
            if reason and time.time() - self._lock.stat().st_mtime < RETRY_S:
                raise ConversionError(reason)


def _remove_old(cache: Path) -> None:
    """Remove all but the entries that were used last, what was never finished, and old locks."""
    found: dict[Path, float] = {}
    for path in cache.iterdir():
        with contextlib.suppress(OSError):  # another process removes too
            found[path] = path.stat().st_mtime
    entries = [path for path in found if len(path.name) == _KEY_LENGTH]
    old = sorted(entries, key=lambda path: -found[path])[MAX_ENTRIES:]
    stale = time.time() - STALE_S
    old += [path for path, used in found.items() if path.name.startswith(".") and used < stale]
    for path in old:
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            path.unlink()
