"""What training starts from: a base model with a head for the dataset's labels, or a new model.

It is written as a checkpoint, so that every worker, and every try after a failure, starts alike.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    PreTrainedModel,
)

from app.classifier.checkpoint.base import find_base
from app.classifier.checkpoint.files import PROCESSOR_CONFIG
from app.classifier.checkpoint.loader_errors import silence, translate_loader_errors
from app.datasets.labelled import LabelledDataset
from app.errors import CheckpointError
from app.limits import derive_limits
from app.settings import Settings
from app.training.backbone import check_freeze, find_backbone, list_head
from app.training.options import TuneOptions
from app.training.scratch import build_model, measure_side

_FIX = "Give --base an image classifier of transformers that was saved with save_pretrained()."


class Start(NamedTuple):
    """What was written.

    Attributes:
        labels: names, by label id.
        about: a sentence for the user.
    """

    labels: tuple[str, ...]
    about: str


def write_start(
    settings: Settings, options: TuneOptions, dataset: LabelledDataset, folder: Path
) -> Start:
    """Write the checkpoint that training starts from; the same seed gives the same.

    Raises:
        CheckpointError: the base is missing, unsafe or no image classifier.
        SettingsError: it has fewer blocks than are to be frozen.
    """
    torch.manual_seed(options.seed)
    if options.base is not None:
        return write_base(options.base, settings, dataset.labels, folder, options.freeze)
    side = measure_side(dataset.train, options.column, derive_limits(settings))
    model, processor = build_model(side, dataset.labels)
    check_freeze(model, options.freeze)
    folder.mkdir(parents=True, exist_ok=True)
    processor.save_pretrained(folder)
    save_model(model, folder)
    about = (
        f"starts from scratch: a Vision Transformer of {model.num_parameters():,} parameters for "
        f"{model.config.image_size} x {model.config.image_size} pixels; with few images, --base "
        "gives better results"
    )
    return Start(dataset.labels, about)


def write_base(
    base: str, settings: Settings, labels: Sequence[str], folder: Path, freeze: int | str = 0
) -> Start:
    """Write a base model with a head for `labels` as a checkpoint.

    The head of the base is kept where it has the same labels; their order is the base's then.

    Raises:
        CheckpointError: it is missing, unsafe or no image classifier.
        SettingsError: it has fewer blocks than `freeze`.
    """
    try:
        found = find_base(base, settings.revision, settings.processor)
    except CheckpointError as exc:
        raise CheckpointError(f"--base {base}: {exc}") from exc
    with translate_loader_errors(f"--base {base} cannot be tuned", _FIX):
        known = _read_labels(found.folder)
        is_same = set(known) == set(labels) and len(known) == len(labels)
        names = known if is_same else tuple(labels)
        model, is_fresh = _load_model(found.folder, names)
        if not is_same:
            _renew_head(model)
    check_freeze(model, freeze)
    folder.mkdir(parents=True, exist_ok=True)
    save_model(model, folder)
    shutil.copyfile(found.processor_folder / PROCESSOR_CONFIG, folder / PROCESSOR_CONFIG)
    about = f"starts from {found.name}"
    if is_fresh or not is_same:
        about += f", with a new head for {len(names)} labels"
    return Start(names, about)


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Write config.json and model.safetensors, readable for whoever may read the folder."""
    with silence():
        model.save_pretrained(folder)
    for path in folder.glob("model*.safetensors"):
        path.chmod(0o644)  # safetensors writes it for its owner only


def _read_labels(source: Path) -> tuple[str, ...]:
    """Read the base's labels, by label id; made-up names where it has none."""
    config = AutoConfig.from_pretrained(source, local_files_only=True, trust_remote_code=False)
    return tuple(str(config.id2label[index]) for index in sorted(config.id2label))


def _renew_head(model: PreTrainedModel) -> None:
    """Forget what the head knows: it may have as many labels, but they mean something else."""
    for layer in list_head(model).values():
        nn.init.trunc_normal_(layer.weight, std=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _load_model(source: Path, labels: Sequence[str]) -> tuple[PreTrainedModel, bool]:
    """Load the base with these labels; tells whether its head is a new one.

    Raises:
        ValueError: more than the head is missing.
    """
    model, info = AutoModelForImageClassification.from_pretrained(
        source,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        problem_type="single_label_classification",
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    fresh = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    if lost := [key for key in fresh if _is_needed(model, key)]:
        raise ValueError(f"its weights lack {min(lost)}")
    return model, bool(fresh)


def _is_needed(model: PreTrainedModel, key: str) -> bool:
    """Tell whether a weight is one of the backbone that the logits come of."""
    backbone = find_backbone(model)
    (name,) = (name for name, one in model.named_modules() if one is backbone)
    is_head = key.startswith(tuple(f"{one}." for one in list_head(model)))
    return key.startswith(f"{name}.") and ".pooler." not in key and not is_head
