"""Checkpoints from the Hugging Face Hub. Only weights and JSON files are fetched, never code."""

import sys
import textwrap
from pathlib import Path

from httpx2 import HTTPError
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars

from app.errors import CheckpointError

MAX_REASON_LENGTH = 250
"""Characters of the Hub's error that are quoted."""

_SMALL = ["config.json", "preprocessor_config.json", "calibration.json"]
_SAFE = ["model*.safetensors", "model.safetensors.index.json"]
_PICKLED = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]


def download_snapshot(
    repo_id: str, revision: str | None, *, weights: bool = True
) -> tuple[Path, str]:
    """Fetch a checkpoint, or find it in the local cache; returns the folder and the commit.

    Args:
        repo_id: such as `google/vit-base-patch16-224`.
        revision: branch, tag or commit; None for the default branch.
        weights: fetch the weights too, as safetensors if the repository has them.

    Raises:
        CheckpointError: no such repository or revision, or the Hub is out of reach.
    """
    try:
        folder = _fetch(repo_id, revision, _SMALL + (_SAFE if weights else []))
        if weights and not any(folder.glob(_SAFE[0])):
            _fetch(repo_id, folder.name, _PICKLED)
    except (HTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as exc:
        at = f" at revision {revision}" if revision else ""
        message = (
            f"{repo_id}{at}: there is no such folder here, and the Hub gave: {_summarize(exc)}. "
            "Check the name and VITRINE_REVISION; a private model needs HF_TOKEN."
        )
        raise CheckpointError(message) from exc
    return folder, folder.name


def _fetch(repo_id: str, revision: str | None, patterns: list[str]) -> Path:
    """Fetch files into the cache; if the Hub is out of reach, find them there."""
    if not sys.stderr.isatty():
        disable_progress_bars()
    return Path(snapshot_download(repo_id, revision=revision, allow_patterns=patterns))


def _summarize(exc: Exception) -> str:
    """Shorten an error to one line."""
    reason = textwrap.shorten(str(exc) or type(exc).__name__, MAX_REASON_LENGTH, placeholder=" …")
    return reason.rstrip(".")
