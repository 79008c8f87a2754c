"""The checkpoint that the settings name. It loads no torch."""

from app.classifier.checkpoint.files import Checkpoint, open_checkpoint
from app.settings import Settings


def open_configured(settings: Settings) -> Checkpoint:
    """Open the checkpoint of the settings, which files alone are read of.

    Raises:
        CheckpointError: as `open_checkpoint`.
    """
    return open_checkpoint(
        settings.model,
        settings.revision,
        settings.processor,
        choice=settings.checkpoint,
        is_calibrated=settings.calibration == "temperature",
    )
