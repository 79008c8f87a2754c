"""What is head, backbone and block, in models of each kind."""

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageClassification, PreTrainedModel

from app.classifier.explanation.support import BLOCKS, STAGES
from app.errors import SettingsError
from app.training.backbone import (
    check_freeze,
    freeze_backbone,
    list_blocks,
    list_head,
    rest_frozen,
)
from tests.support.architectures import CONFIGS

LARGER = {
    "swin": {"depths": [1, 2], "num_heads": [2, 2]},
    "convnext": {"depths": [1, 1, 3, 1]},
}
"""Models with a stage of several blocks, which are not the last."""


def build(model_type: str) -> PreTrainedModel:
    """Build a tiny model with random weights and five labels."""
    given = CONFIGS[model_type] | LARGER.get(model_type, {})
    config = AutoConfig.for_model(model_type, **given, num_labels=5)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model: PreTrainedModel = AutoModelForImageClassification.from_config(config)
    return model


def list_learning(model: nn.Module) -> list[str]:
    """List the parameters that learn."""
    return [name for name, one in model.named_parameters() if one.requires_grad]


@pytest.mark.parametrize("model_type", sorted(CONFIGS))
def test_all_but_the_head_is_frozen(model_type: str) -> None:
    """`all` leaves what gives the logits, in every architecture that is explained."""
    model = build(model_type)
    freeze_backbone(model, "all")
    names = list_learning(model)
    assert names
    assert all(name.startswith("classifier.") for name in names)
    assert all(one.out_features == 5 for one in list_head(model).values())


@pytest.mark.parametrize(
    ("model_type", "count"),
    [("vit", 3), ("siglip", 3), ("clip", 3), ("resnet", 4), ("swin", 3), ("convnext", 6)],
)
def test_blocks_are_counted_over_all_stages(model_type: str, count: int) -> None:
    """More than there are cannot be frozen: one line says how many there are."""
    model = build(model_type)
    assert len(list_blocks(model)) == count
    check_freeze(model, count)
    check_freeze(model, "all")
    with pytest.raises(SettingsError, match=f"{model_type} has {count} blocks"):
        check_freeze(model, count + 1)


@pytest.mark.parametrize(("freeze", "moves"), [(0, True), (1, True), ("all", False)])
def test_frozen_blocks_keep_their_statistics(freeze: int | str, *, moves: bool) -> None:
    """Batch normalization follows the images only where it learns."""
    model = build("resnet")
    freeze_backbone(model, freeze)
    before = {name: one.clone() for name, one in model.named_buffers()}
    model.train()
    rest_frozen(model)
    model(torch.rand(2, 3, 64, 64))
    moved = {name for name, one in model.named_buffers() if not torch.equal(one, before[name])}
    frozen = set() if not freeze else {name for name in before if ".embedder." in name}
    assert bool(moved) is moves
    assert not frozen & moved


@pytest.mark.parametrize("model_type", sorted({*BLOCKS, *STAGES} & {*CONFIGS}))
def test_the_first_block_is_the_first_that_is_explained(model_type: str) -> None:
    """Blocks and stages are those of the explanation, where an architecture is known to it."""
    model = build(model_type)
    layers = model.get_submodule(BLOCKS.get(model_type) or STAGES[model_type])
    first = next(layers.children())
    assert list_blocks(model)[0] in set(first.modules())


@pytest.mark.parametrize(
    ("model_type", "freeze", "first"),
    [
        ("vit", 2, "vit.layers.2."),
        ("vit", 3, "vit.layernorm."),
        ("siglip", 1, "vision_model.encoder.layers.1."),
        ("swin", 1, "swin.encoder.layers.0.downsample."),
        ("swin", 2, "swin.encoder.layers.1.blocks.1."),
        ("convnext", 3, "convnext.encoder.stages.2.layers.1."),
        ("convnext", 5, "convnext.encoder.stages.3.downsampling_layer."),
    ],
)
def test_what_is_behind_the_frozen_blocks_learns(model_type: str, freeze: int, first: str) -> None:
    """Blocks are frozen in the order in which they run, with what comes before them."""
    model = build(model_type)
    freeze_backbone(model, freeze)
    names = [name for name, _ in model.named_parameters()]
    learning = list_learning(model)
    assert learning == names[-len(learning) :]
    assert learning[0].startswith(first)


def test_a_model_that_is_not_frozen_learns_as_a_whole() -> None:
    """0 changes nothing."""
    model = build("vit")
    freeze_backbone(model, 0)
    assert all(one.requires_grad for one in model.parameters())
