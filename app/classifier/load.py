"""From settings to a model that is warm: the classifier's start-up, in order, with a line each."""

import logging
import os
import time

import torch

from app.classifier.checkpoint import open_checkpoint
from app.classifier.model import Model
from app.errors import StartupError
from app.settings import Settings

_logger = logging.getLogger("vitrine.classifier")


def load_model(settings: Settings) -> Model:
    """Open the checkpoint, load it and warm it up.

    Raises:
        StartupError: as `open_checkpoint` and `Model` do; it is also logged, in one line.
    """
    started = time.perf_counter()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // settings.classifier_replicas))
    try:
        checkpoint = open_checkpoint(settings.model, settings.revision, settings.processor)
        model = Model(checkpoint, settings.device)
    except StartupError as exc:
        _logger.error("%s", exc)  # noqa: TRY400 - one line for a user, not a traceback
        raise
    model.warm_up(settings.batch_size)
    description = model.description
    _logger.info(
        "model %s at %s, %d labels, on %s, ready in %.1f s",
        description.model_id,
        description.revision,
        len(description.labels),
        description.device,
        time.perf_counter() - started,
    )
    return model
