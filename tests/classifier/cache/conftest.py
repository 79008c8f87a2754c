"""A cache, and an entry of it."""

from pathlib import Path

import pytest

from tests.support.caches import list_entries, load


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The path of a cache that does not exist yet."""
    return tmp_path / "above" / "cache"


@pytest.fixture
def entry(vit: Path, cache: Path) -> Path:
    """The folder of the only entry of `cache`."""
    load(vit, cache)
    (folder,) = list_entries(cache)
    return folder
