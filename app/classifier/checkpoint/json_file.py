"""A JSON object among a checkpoint's small files."""

import json
from pathlib import Path

from app.errors import CheckpointError


def read_json(path: Path) -> dict[str, object]:
    """Read the object in a file; raises CheckpointError."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        message = (
            f"{path.parent} has no {path.name}: it is not a checkpoint. "
            "Point VITRINE_MODEL at a folder that save_pretrained() wrote."
        )
        raise CheckpointError(message) from exc
    except (OSError, ValueError, RecursionError) as exc:
        message = f"{path} is not readable JSON: {exc}. Save the checkpoint again."
        raise CheckpointError(message) from exc
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is not a JSON object. Save the checkpoint again.")
    return value
