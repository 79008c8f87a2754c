"""One tiny checkpoint of each architecture, saved once a session; copy it before you spoil it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.checkpoints import copy_checkpoint, save_beit, save_convnext, save_deit, save_vit


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny models run faster on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT, resized to a square."""
    return save_vit(tmp_path_factory.mktemp("tiny") / "vit")


@pytest.fixture(scope="session")
def deit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DeiT, resized and cropped."""
    return save_deit(tmp_path_factory.mktemp("tiny") / "deit")


@pytest.fixture(scope="session")
def deit_with_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DeiT with a second, distilled head."""
    return save_deit(tmp_path_factory.mktemp("tiny") / "deit", with_teacher=True)


@pytest.fixture(scope="session")
def convnext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ConvNeXt, resized by crop_pct and cropped."""
    return save_convnext(tmp_path_factory.mktemp("tiny") / "convnext")


@pytest.fixture(scope="session")
def beit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BeiT, whose processor runs as it is."""
    return save_beit(tmp_path_factory.mktemp("tiny") / "beit")


@pytest.fixture
def folder(vit: Path, tmp_path: Path) -> Path:
    """A copy of the ViT, to modify."""
    return copy_checkpoint(vit, tmp_path / "mine")
