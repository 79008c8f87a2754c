"""Which methods fit a checkpoint, by its config.json."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.explanation.support import BLOCKS, STAGES, find_support
from tests.support.architectures import CONFIGS
from tests.support.checkpoints import copy_checkpoint, edit_json, load_model


def test_every_architecture_that_is_supported_is_tested() -> None:
    """The tables have no type that the tests leave out."""
    assert set(BLOCKS) | set(STAGES) | {"swin"} == set(CONFIGS)


@pytest.mark.parametrize("model_type", sorted(BLOCKS))
def test_a_vit_is_explained_by_its_attention(
    model_type: str, find_folder: Callable[[str], Path]
) -> None:
    """Occlusion can be asked for."""
    support = find_support(open_checkpoint(str(find_folder(model_type))))
    assert support.methods == ("gradient_attention", "occlusion")
    assert support.reason == ""


@pytest.mark.parametrize("model_type", sorted(STAGES))
def test_a_convolutional_network_is_explained_by_its_last_stage(
    model_type: str, find_folder: Callable[[str], Path]
) -> None:
    """The same."""
    support = find_support(open_checkpoint(str(find_folder(model_type))))
    assert support.methods == ("hirescam", "occlusion")
    assert support.reason == ""


@pytest.mark.parametrize("model_type", ["swin", "swinv2", "levit", 7, None, ["vit"], {"vit": 1}])
def test_other_architectures_have_no_default(model_type: object, vit: Path, tmp_path: Path) -> None:
    """The reason names the type, and the method that can be asked for."""
    folder = copy_checkpoint(vit, tmp_path / "other")
    edit_json(folder / "config.json", model_type=model_type)
    support = find_support(open_checkpoint(str(folder)))
    assert support.methods == ("occlusion",)
    assert str(model_type or "") in support.reason
    assert "method=occlusion" in support.reason


def test_the_description_has_the_methods_and_the_reason(
    find_folder: Callable[[str], Path],
) -> None:
    """The ingress learns of both from the classifier."""
    description = load_model(find_folder("vit")).description
    assert description.methods == ("gradient_attention", "occlusion")
    assert description.unexplained == ""
    swin = load_model(find_folder("swin"))
    assert swin.description.methods == ("occlusion",)
    assert "swin" in swin.description.unexplained
