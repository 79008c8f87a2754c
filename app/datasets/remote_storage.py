"""Whatever pyarrow's filesystems reach by a URI: S3, Google Cloud Storage and others."""

from collections.abc import Hashable
from functools import lru_cache
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import quote

from app.datasets.arrow import require_pyarrow, translate_arrow
from app.datasets.names import is_hidden
from app.datasets.storage import Kind, Listing

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


class RemoteStorage:
    """A filesystem of pyarrow's, by its URIs; paths are as pyarrow has them, such as BUCKET/KEY.

    Args:
        root: scheme and host of the URI, with the name of a user where it has one.
        query: options of the URI, without its question mark.
        filesystem: pyarrow's.
        head: what pyarrow's paths have before that of the URI, such as the bucket.
    """

    def __init__(self, root: str, query: str, filesystem: "FileSystem", head: str) -> None:
        self._root = root
        self._query = f"?{query}" if query else ""
        self._filesystem = filesystem
        self._head = head

    def find_kind(self, path: str) -> Kind:
        """Ask for the path."""
        with translate_arrow():
            found = self._filesystem.get_file_info(path)
        kinds: dict[str, Kind] = {"File": "file", "Directory": "folder"}
        return kinds.get(found.type.name, "nothing")

    def list_folder(self, path: str) -> Listing:
        """List a folder, in one answer of the filesystem."""
        from pyarrow.fs import FileSelector  # noqa: PLC0415 - an extra

        with translate_arrow():
            found = self._filesystem.get_file_info(FileSelector(path))
        shown = sorted((one for one in found if not is_hidden(one.base_name)), key=_get_path)
        folders = [one.path for one in shown if one.type.name == "Directory"]
        return Listing(folders, [one.path for one in shown if one.type.name == "File"])

    def identify(self, path: str) -> Hashable:
        """Identify a folder by its path: there are no links."""
        return path

    def open(self, path: str) -> IO[bytes]:
        """Open a file as a stream."""
        with translate_arrow():
            return cast("IO[bytes]", self._filesystem.open_input_stream(path))

    def open_table(self, path: str) -> IO[bytes]:
        """Open a file whose parts are asked for one by one."""
        with translate_arrow():
            return cast("IO[bytes]", self._filesystem.open_input_file(path))

    def show(self, path: str) -> str:
        """Show the URI without user, password and options, which may be secrets."""
        scheme, _, host = self._root.partition("://")
        return f"{scheme}://{host.rpartition('@')[2]}{path.removeprefix(self._head)}"

    def make_uri(self, path: str) -> str:
        """Make the whole URI."""
        return f"{self._root}{quote(path.removeprefix(self._head))}{self._query}"


@lru_cache(maxsize=16)
def connect(root: str, query: str) -> tuple[RemoteStorage, str]:
    """Connect to a filesystem, once for all of its files: that may ask the network."""
    require_pyarrow(f"{root.partition('://')[0]}://")
    from pyarrow.fs import FileSystem  # noqa: PLC0415 - an extra

    with translate_arrow():
        filesystem, inner = FileSystem.from_uri(f"{root}/x{'?' if query else ''}{query}")
    head = inner.removesuffix("/x")
    return RemoteStorage(root, query, filesystem, head), head


def _get_path(found: object) -> str:
    """Give the path that pyarrow's entries are sorted by."""
    return str(getattr(found, "path", ""))
