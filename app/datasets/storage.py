"""Where files are: folders of this machine, and whatever pyarrow's filesystems reach.

It lists and opens; which file is an image is not known here. Local files need no pyarrow.
"""

from collections.abc import Hashable
from typing import IO, Literal, NamedTuple, Protocol

Kind = Literal["file", "folder", "nothing"]


class Listing(NamedTuple):
    """What is in a folder: paths, sorted; hidden ones are left out."""

    folders: list[str]
    files: list[str]


class Storage(Protocol):
    """Files and folders by path; each method raises OSError."""

    def find_kind(self, path: str) -> Kind:
        """Find out what is at a path."""
        ...

    def list_folder(self, path: str) -> Listing:
        """List a folder, and none below it."""
        ...

    def identify(self, path: str) -> Hashable:
        """Identify a folder, by whatever name it was reached."""
        ...

    def open(self, path: str) -> IO[bytes]:
        """Open a regular file to read it from its beginning."""
        ...

    def open_table(self, path: str) -> IO[bytes]:
        """Open a regular file to read it with jumps."""
        ...

    def show(self, path: str) -> str:
        """Show a path to a user: valid Unicode, and no secret."""
        ...

    def make_uri(self, path: str) -> str:
        """Make what `find_storage` takes, in any process: valid Unicode, too."""
        ...
