"""The folders of this machine."""

import os
import stat
from collections.abc import Hashable
from typing import IO, cast
from urllib.parse import quote

from app.datasets.arrow import translate_arrow
from app.datasets.names import clean_name, is_hidden, is_unicode
from app.datasets.storage import Kind, Listing


class LocalStorage:
    """The folders of this machine."""

    def find_kind(self, path: str) -> Kind:
        """Find out what is at a path; links are followed."""
        if os.path.isdir(path):  # noqa: PTH112 - a Path would lose what was given
            return "folder"
        return "file" if os.path.lexists(path) else "nothing"

    def list_folder(self, path: str) -> Listing:
        """List a folder; links to folders are folders."""
        folders: list[str] = []
        files: list[str] = []
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                if not is_hidden(entry.name):
                    (folders if entry.is_dir() else files).append(entry.path)
        return Listing(folders, files)

    def identify(self, path: str) -> Hashable:
        """Identify a folder by its device and number, so that a loop of links ends."""
        found = os.stat(path)  # noqa: PTH116 - a Path would lose what was given
        return found.st_dev, found.st_ino

    def open(self, path: str) -> IO[bytes]:
        """Open a regular file; a pipe, which would block, and a device, which may act, are none."""
        _check_regular(os.stat(path))  # noqa: PTH116 - a Path would lose what was given
        opened = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - the caller closes
        try:
            _check_regular(os.fstat(opened.fileno()))  # it may be another one by now
        except OSError:
            opened.close()
            raise
        return opened

    def open_table(self, path: str) -> IO[bytes]:
        """Open a regular file with pyarrow, which reads it without Python's lock."""
        from pyarrow import OSFile  # noqa: PLC0415 - an extra

        self.open(path).close()
        with translate_arrow():
            return cast("IO[bytes]", OSFile(os.fsencode(path)))

    def show(self, path: str) -> str:
        """Show the path as it was given."""
        return clean_name(path)

    def make_uri(self, path: str) -> str:
        """Make an absolute path, or a URI where its bytes are not UTF-8."""
        absolute = os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118 - keeps links and `..`
        return absolute if is_unicode(absolute) else f"file://{quote(os.fsencode(absolute))}"


def _check_regular(found: os.stat_result) -> None:
    """Raise OSError for what is no regular file."""
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no regular file")


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for the other end of a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)
