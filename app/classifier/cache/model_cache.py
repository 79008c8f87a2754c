"""The cache of converted models: a private folder, one entry for each content and version.

What is not this user's alone is refused.
"""

import hashlib
import json
import logging
import os
import stat
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.classifier.cache.cache_entry import CacheEntry
from app.classifier.checkpoint.digest import hash_file
from app.classifier.checkpoint.files import Checkpoint

PACKAGES = ("openvino", "torch", "transformers", "numpy", "pillow")
"""Another version of these may convert to something else."""

_APP = Path(__file__).parents[2]

_logger = logging.getLogger("vitrine.classifier")


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
    try:
        entry = CacheEntry(cache, make_key(checkpoint, precision))
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in (cache, entry.folder, *entry.folder.glob("*")):
            _check_private(path)
    except (OSError, PackageNotFoundError) as exc:
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
