"""SHA-256 of a checkpoint's files. It knows nothing of what is in them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from app.classifier.checkpoint.calibration import CALIBRATION

REVISION_LENGTH = 12
"""Hexadecimal digits of a revision: enough to tell the few checkpoints of one service apart."""


def hash_files(folder: Path, processor_folder: Path, files: list[Path]) -> dict[Path, bytes]:
    """Hash `files` and all JSON beside them, of which transformers reads more than we do.

    Not the calibration: it may be written later, and changes nothing of the model.

    Raises:
        OSError: a file cannot be read, or is gone.
    """
    folders = dict.fromkeys((folder, processor_folder))
    small = [path for one in folders for path in sorted(one.glob("*.json"))]
    read = [path for path in dict.fromkeys([*small, *files]) if path.name != CALIBRATION]
    return {path: hash_file(path) for path in read}


def hash_file(path: Path) -> bytes:
    """Hash the content of one file; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def name_revision(digests: Iterable[bytes]) -> str:
    """Name the content of files in REVISION_LENGTH digits."""
    return hashlib.sha256(b"".join(digests)).hexdigest()[:REVISION_LENGTH]


def name_content(digests: dict[Path, bytes]) -> str:
    """Name the content and the names of files in 64 digits, wherever the files are."""
    lines = [f"{digest.hex()} {path.name}\n" for path, digest in digests.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
