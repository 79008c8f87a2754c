"""Explainers of tiny checkpoints, and tasks for them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.explanation.model_explainer import ModelExplainer
from tests.support.architectures import save_architecture

MakeExplainer = Callable[..., ModelExplainer]


@pytest.fixture(scope="session")
def find_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of an architecture's checkpoint, saved once."""
    root, found = tmp_path_factory.mktemp("architectures"), dict[str, Path]()

    def find(model_type: str) -> Path:
        if model_type not in found:
            found[model_type] = save_architecture(root / model_type, model_type)
        return found[model_type]

    return find


@pytest.fixture(scope="session")
def make_explainer(find_folder: Callable[[str], Path]) -> MakeExplainer:
    """An explainer on torch of an architecture, or of a folder."""

    def make(model: str | Path) -> ModelExplainer:
        folder = model if isinstance(model, Path) else find_folder(model)
        return ModelExplainer(open_checkpoint(str(folder)), EngineOptions("cpu", "torch"))

    return make
