"""Files below a folder, and the files that a pattern names, one after the other and sorted."""

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase

from app.datasets.sample import IMAGE_SUFFIXES
from app.datasets.storage import Storage

MAGIC = frozenset("*?[")
"""Characters that make a path a pattern."""

Enter = Callable[[str], bool]
"""Tells whether files are looked for in a folder."""


def walk_files(storage: Storage, folder: str, may_enter: Enter | None = None) -> Iterator[str]:
    """Walk the files below a folder, each folder once, whatever links lead to it.

    A folder's own files come before those of its folders. Raises OSError.
    """
    seen, waiting = set(), [folder]
    while waiting:
        current = waiting.pop()
        identity = storage.identify(current)
        if identity in seen:
            continue
        seen.add(identity)
        listing = storage.list_folder(current)
        yield from listing.files
        waiting += [one for one in reversed(listing.folders) if not may_enter or may_enter(one)]


def has_suffix(path: str, suffixes: frozenset[str] = IMAGE_SUFFIXES) -> bool:
    """Tell whether a name ends like one of those, in any case."""
    return os.path.splitext(path)[1].lower() in suffixes  # noqa: PTH122 - it may be of a URI


def split_pattern(pattern: str) -> tuple[str, list[str]]:
    """Split a pattern at its first part that has magic: the folder before, and the parts."""
    parts = pattern.split("/")
    first = next((index for index, part in enumerate(parts) if MAGIC & set(part)), len(parts))
    folder = "/".join(parts[:first])
    return folder or ("/" if first else "."), [part for part in parts[first:] if part]


def find_matches(
    storage: Storage, folder: str, pattern: Sequence[str], suffixes: frozenset[str]
) -> Iterator[str]:
    """Find the files that a pattern names, and those with a suffix in folders that it names.

    Args:
        storage: where the folder is.
        folder: that the pattern begins at.
        pattern: its parts; `**` is any number of folders.
        suffixes: of the files that count in folders.
    """

    def split(path: str) -> list[str]:
        return path[len(folder) :].strip("/").split("/")

    def may_enter(path: str) -> bool:
        return _leads(split(path), pattern) or _is_inside(split(path), pattern)

    for path in walk_files(storage, folder, may_enter):
        parts = split(path)
        if _matches(parts, pattern) or (
            has_suffix(path, suffixes) and _is_inside(parts[:-1], pattern)
        ):
            yield path


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tell whether a pattern names just this path."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[skip:], pattern[1:]) for skip in range(len(parts) + 1))
    is_first = bool(parts) and fnmatchcase(parts[0], pattern[0])
    return is_first and _matches(parts[1:], pattern[1:])


def _is_inside(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tell whether a pattern names a folder, or one that it is in."""
    return any(_matches(parts[:end], pattern) for end in range(1, len(parts) + 1))


def _leads(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tell whether a pattern may name something in a folder."""
    pairs = list(zip(parts, pattern, strict=False))
    for part, wanted in pairs:
        if wanted == "**":
            return True
        if not fnmatchcase(part, wanted):
            return False
    return len(parts) < len(pattern)
