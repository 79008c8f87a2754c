"""A model to tune: its files and those of its processor.

Unlike a checkpoint that is served, it may have no labels, or others than those that it is tuned to.
"""

from pathlib import Path
from typing import NamedTuple

from app.classifier.checkpoint.choice import Choice
from app.classifier.checkpoint.files import find_model, find_processor, find_weights
from app.errors import CheckpointError


class Base(NamedTuple):
    """Where a model to tune is.

    Attributes:
        name: as responses of a service would show it.
        folder: holds config.json and model.safetensors.
        processor_folder: holds preprocessor_config.json.
    """

    name: str
    folder: Path
    processor_folder: Path


def find_base(model: str, revision: str | None, processor: str | None) -> Base:
    """Find a model to tune.

    Args:
        model: `bundled`, a folder, a Ray Train run folder or a Hub id.
        revision: branch, tag or commit of a Hub id.
        processor: folder or Hub id of the image processor, if the model has none.

    Raises:
        CheckpointError: it is not there or incomplete, or its weights are pickled or quantized.
    """
    name, folder, _ = find_model(model, revision, Choice())
    weights = find_weights(folder)[0]
    if weights.suffix != ".safetensors":
        message = (
            f"{weights} cannot be tuned: that needs model.safetensors, in full precision. Save "
            "the model with save_pretrained(), or give the one that was quantized."
        )
        raise CheckpointError(message)
    return Base(name, folder, find_processor(folder, processor))
