"""The folder that a job writes to, on this machine's disk or in an object store.

A file appears whole or not at all: on a disk it is renamed when it is complete, and an object store
shows an object when its upload has ended. So a job may be killed at any time.
"""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyarrow import ArrowException
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from app.datasets.names import is_uri, show_location
from app.errors import DatasetError

OWN = ".vitrine"
"""Folder in it of what the next run needs to go on."""


class OutputFolder:
    """A folder of files with short names; it travels to the processes that write.

    Args:
        out: path, or URI of a file system that pyarrow knows.

    Raises:
        DatasetError: nobody knows such a file system.
    """

    def __init__(self, out: str) -> None:
        self.name = show_location(out)
        with refuse(f"--out {self.name} cannot be used"):
            if is_uri(out):
                self._files, self._root = FileSystem.from_uri(out)
            else:
                self._files, self._root = LocalFileSystem(), str(Path(out).absolute())
        self.is_local = isinstance(self._files, LocalFileSystem)

    def list_files(self, below: str = "") -> list[str]:
        """List the names of the files in a folder of it, sorted; none where it is not there."""
        selector = FileSelector(self._find(below), allow_not_found=True)
        found = self._files.get_file_info(selector)
        return sorted(one.base_name for one in found if one.type == FileType.File)

    def is_empty(self) -> bool:
        """Tell whether nothing is in it, or it is not there."""
        return not self._files.get_file_info(FileSelector(self._root, allow_not_found=True))

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        return bool(self._files.get_file_info(self._find(name)).type == FileType.File)

    def read(self, name: str) -> bytes:
        """Read a file; raises OSError."""
        with self._files.open_input_stream(self._find(name)) as file:
            return bytes(file.read())

    def write(self, name: str, data: bytes) -> None:
        """Write a file, or write over one, and wait until it would outlast a power cut.

        Raises:
            OSError: it cannot be written.
        """
        path = self._find(name)
        folder = path.rpartition("/")[0]
        self._files.create_dir(folder, recursive=True)
        if not self.is_local:
            with self._files.open_output_stream(path) as file:
                file.write(data)
            return
        made = Path(f"{self._find(OWN)}/{uuid.uuid4().hex}.tmp")
        made.parent.mkdir(parents=True, exist_ok=True)
        try:
            with made.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            made.rename(path)
            _sync_folder(folder)
        except OSError:
            made.unlink(missing_ok=True)
            raise

    def clear(self, files: Sequence[str], folders: Sequence[str]) -> None:
        """Remove files and folders that may be there; raises OSError."""
        for name in files:
            self._remove(self._find(name))
        for name in folders:
            if self._files.get_file_info(self._find(name)).type == FileType.Directory:
                self._files.delete_dir(self._find(name))

    def remove_unfinished(self) -> None:
        """Remove files that a killed run was writing."""
        for name in self.list_files(OWN):
            if name.endswith(".tmp"):
                self._remove(f"{self._find(OWN)}/{name}")

    def _find(self, name: str) -> str:
        """Find the path of a file or folder in it."""
        return f"{self._root}/{name}".rstrip("/")

    def _remove(self, path: str) -> None:
        """Remove a file that may be there."""
        if self._files.get_file_info(path).type == FileType.File:
            self._files.delete_file(path)


def _sync_folder(folder: str) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def refuse(what: str) -> Iterator[None]:
    """Turn an error of a file system into one line that begins with `what`; DatasetError."""
    try:
        yield
    except (OSError, ArrowException) as exc:
        raise DatasetError(f"{what}: {describe(exc)}. Give another --out, or repair it.") from exc


def describe(failure: BaseException) -> str:
    """Describe a failure of a file system in a few words."""
    text = getattr(failure, "strerror", None) or str(failure)
    text = text.splitlines()[0].partition(". Detail: ")[2] or text.splitlines()[0]
    return text.removeprefix("[errno 28] ").rstrip(".")[:300]
