"""The files of a converted model, and the check that they are whole.

model.xml, model.bin        OpenVINO's; a quantized checkpoint has its own instead
example.npy, expected.npy   pixels `[n, height, width, 3]`, and torch's logits `[n, labels]`
manifest.json               geometry, scaling, and the SHA-256 of each of these files
manifest.sha256             the SHA-256 of the manifest
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from pydantic import BaseModel

from app.backend import Geometry, Logits, Pixels
from app.classifier.checkpoint.digest import hash_file
from app.classifier.checkpoint.scaling import Scaling

MODEL = "model.xml"
EXAMPLE, EXPECTED = "example.npy", "expected.npy"
_MANIFEST, _DIGEST = "manifest.json", "manifest.sha256"


class _Manifest(BaseModel):
    geometry: Geometry
    scaling: Scaling
    digests: dict[str, str]


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """A converted model whose files are whole.

    Attributes:
        folder: holds them.
        geometry: of the image processor.
        scaling: of the image processor.
    """

    folder: Path
    geometry: Geometry
    scaling: Scaling

    def read_example(self) -> tuple[Pixels, Logits]:
        """Read one image as a batch, and the logits that torch gives it; raises ValueError."""
        example, expected = (
            np.load(self.folder / name, allow_pickle=False)[:1] for name in (EXAMPLE, EXPECTED)
        )
        return cast("Pixels", example), cast("Logits", expected)


def write_manifest(folder: Path, geometry: Geometry, scaling: Scaling) -> None:
    """Complete the files of `folder`; raises OSError."""
    manifest = _Manifest(geometry=geometry, scaling=scaling, digests=_hash_others(folder))
    (folder / _MANIFEST).write_text(manifest.model_dump_json(), "utf-8")
    (folder / _DIGEST).write_bytes(hash_file(folder / _MANIFEST))


def read_converted(folder: Path) -> ConvertedModel:
    """Read the manifest and check every file against it; raises OSError or ValueError."""
    if hash_file(folder / _MANIFEST) != (folder / _DIGEST).read_bytes():
        raise ValueError(f"{_MANIFEST} is not the file that was written")
    manifest = _Manifest.model_validate_json((folder / _MANIFEST).read_bytes())
    found = _hash_others(folder)
    for name in sorted(manifest.digests.keys() | found.keys()):
        if found.get(name) != manifest.digests.get(name):
            raise ValueError(f"{name} is not the file that was written")
    return ConvertedModel(folder, manifest.geometry, manifest.scaling)


def _hash_others(folder: Path) -> dict[str, str]:
    """Hash every file of `folder` but the manifest and its digest."""
    files = [path for path in folder.iterdir() if path.name not in {_MANIFEST, _DIGEST}]
    return {path.name: hash_file(path).hex() for path in files}
