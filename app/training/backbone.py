"""The parts of an image classifier of transformers: its backbone, the blocks of that, its head."""

from torch import nn
from transformers import PreTrainedModel

from app.errors import SettingsError


def find_backbone(model: PreTrainedModel) -> nn.Module:
    """Find what gives the features that the head is for.

    SigLIP and CLIP have no base model, but a part that holds the blocks.
    """
    backbone: nn.Module = model.base_model
    if backbone is model:
        trunk = _find_trunk(model)
        backbone = next((one for one in model.children() if trunk in set(one.modules())), model)
    return backbone


def list_head(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """List the layers that give the logits, by name: those beside the backbone, or its last."""
    backbone = set(find_backbone(model).modules())
    layers = {name: one for name, one in model.named_modules() if isinstance(one, nn.Linear)}
    beside = {name: one for name, one in layers.items() if one not in backbone}
    sized = [one for one in layers.items() if one[1].out_features == model.config.num_labels]
    return beside or dict(sized[-1:])


def list_blocks(model: PreTrainedModel) -> list[nn.Module]:
    """List the blocks of the backbone, stage by stage where it has stages."""
    trunk = _find_trunk(find_backbone(model))
    return [] if trunk is None else [block for one in trunk.children() for block in _split(one)]


def check_freeze(model: PreTrainedModel, freeze: int | str) -> None:
    """Raise SettingsError if a model has fewer blocks than are to be frozen."""
    count = len(list_blocks(model))
    if freeze != "all" and int(freeze) > count:
        found = f"the backbone of {model.config.model_type} has {count} blocks"
        raise SettingsError(f"--freeze {freeze}: {found}. Give no more than these, or all.")


def freeze_backbone(model: PreTrainedModel, freeze: int | str) -> None:
    """Keep a part of the backbone as it is; the head, and what else is beside it, learns.

    Args:
        model: an image classifier.
        freeze: `all`, or a number of its blocks, with everything that comes before them. The order
            is that in which the model lists its parameters.
    """
    if not freeze:
        return
    frozen = list(find_backbone(model).parameters())
    if freeze != "all":
        last = set(list_blocks(model)[int(freeze) - 1].parameters())
        frozen = frozen[: 1 + max(place for place, one in enumerate(frozen) if one in last)]
    for parameter in frozen:
        parameter.requires_grad = False
    for layer in list_head(model).values():
        layer.requires_grad_(requires_grad=True)


def rest_frozen(network: nn.Module) -> None:
    """Keep what is frozen from changing while the rest trains: batch statistics, and dropout."""
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(one.requires_grad for one in parameters):
            module.eval()


def _find_trunk(module: nn.Module) -> nn.Module | None:
    """Find the list of blocks or stages: that with the most parameters, the outer of two."""
    lists = (one for one in module.modules() if isinstance(one, nn.ModuleList | nn.Sequential))
    return max(lists, key=_count, default=None)


def _split(stage: nn.Module) -> list[nn.Module]:
    """Split a stage into its blocks, a list that has most of its parameters; a block is one."""
    inner = _find_trunk(stage)
    if inner is None or 2 * _count(inner) <= _count(stage):
        return [stage]
    return list(inner.children())


def _count(module: nn.Module) -> int:
    """Count parameters."""
    return sum(one.numel() for one in module.parameters())
