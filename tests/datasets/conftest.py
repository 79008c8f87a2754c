"""Folders and tables of small images that the tests of datasets share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import samples

MakeImages = Callable[..., list[Path]]


@pytest.fixture
def make_images(tmp_path: Path) -> MakeImages:
    """Give a function that writes an image to each name below the test's folder."""

    def make(*names: str) -> list[Path]:
        paths = [tmp_path / name for name in names]
        for seed, path in enumerate(paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(samples.save(samples.draw(seed=seed), "PNG"))
        return paths

    return make
