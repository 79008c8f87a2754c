"""Loading a checkpoint's weights: only tensors are read, no pickled and no remote code runs."""

import logging
import pickle
from pathlib import Path

import torch
from transformers import AutoModelForImageClassification, PreTrainedModel

from app.classifier.checkpoint.files import Checkpoint, find_weights
from app.classifier.checkpoint.loader_errors import translate_loader_errors
from app.errors import CheckpointError

_FIX = "Save it again with save_pretrained(); code that comes with a checkpoint is never run."

_logger = logging.getLogger("vitrine.checkpoint")


def load_weights(checkpoint: Checkpoint) -> PreTrainedModel:
    """Load the model in float32, ready for inference.

    Raises:
        CheckpointError: unsafe, unreadable, incomplete, or not an image classifier.
    """
    files = find_weights(checkpoint.folder)
    is_pickled = files[0].suffix == ".bin"
    if is_pickled:
        _logger.warning(
            "%s is a pickle, read as tensors only; save it as safetensors with "
            "save_pretrained() to load it faster and more safely",
            files[0],
        )
    with translate_loader_errors(f"the model of {checkpoint.folder} cannot be loaded", _FIX):
        if is_pickled:
            _check_pickles(files)
        model, info = _load_model(checkpoint.folder, is_pickled=is_pickled)
    _check_complete(checkpoint, info)
    return model.eval()


def _check_pickles(files: list[Path]) -> None:
    """Refuse pickles that hold anything but tensors by name."""
    for file in files:
        message = (
            f"{file} is damaged or holds more than tensors, which could run code, so it is "
            "refused. Save the model as safetensors, where you trust it, with save_pretrained()."
        )
        try:
            tensors = torch.load(file, map_location="meta", weights_only=True)
        except pickle.UnpicklingError as exc:
            raise CheckpointError(message) from exc
        if not all(isinstance(value, torch.Tensor) for value in dict(tensors).values()):
            raise CheckpointError(message)


def _load_model(
    folder: Path, *, is_pickled: bool
) -> tuple[PreTrainedModel, dict[str, list[object]]]:
    """Load the model and transformers' report on its weights."""
    return AutoModelForImageClassification.from_pretrained(  # type: ignore[no-any-return]
        folder,
        local_files_only=True,
        trust_remote_code=False,
        weights_only=True,
        use_safetensors=not is_pickled,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,  # _check_complete refuses them
        output_loading_info=True,
    )


def _check_complete(checkpoint: Checkpoint, info: dict[str, list[object]]) -> None:
    """Refuse weights that would leave parts of the model at random."""
    if mismatched := info["mismatched_keys"]:
        message = (
            f"{checkpoint.folder}: the weights do not fit config.json (name, shape there, shape "
            f"wanted: {min(map(str, mismatched))}), which has {len(checkpoint.labels)} "
            "labels. Fix id2label or point at the right checkpoint."
        )
        raise CheckpointError(message)
    if missing := info["missing_keys"]:
        message = (
            f"{checkpoint.folder}: the weights lack {min(map(str, missing))}, so it is not "
            "a fine-tuned classifier. Point VITRINE_MODEL at the checkpoint that was tuned."
        )
        raise CheckpointError(message)
