"""The checkpoint as both peers serve it, without Vitrine: LitServe's venv runs it too."""

import argparse
import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from transformers import ViTForImageClassification

TOP = 5
Decoded = tuple[NDArray[np.uint8], dict[str, int]]
"""Pixels ``[height, width, 3]`` and the size of the image that they are of."""


def parse_options() -> argparse.Namespace:
    """Read what ``peers.py`` asks of a peer; FastAPI has one worker."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path, required=True)
    for name in ("--port", "--threads", "--workers"):
        parser.add_argument(name, type=int, default=1)
    return parser.parse_args()


class PeerModel:
    """One checkpoint: its geometry, its labels and its model."""

    def __init__(self, checkpoint: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        processor = json.loads((checkpoint / "preprocessor_config.json").read_text())
        self.size = (processor["size"]["width"], processor["size"]["height"])
        self.mean = 255 * torch.tensor(processor["image_mean"]).view(1, 3, 1, 1)
        self.std = 255 * torch.tensor(processor["image_std"]).view(1, 3, 1, 1)
        self.model = ViTForImageClassification.from_pretrained(checkpoint).eval()
        self.labels = [name for _, name in sorted(self.model.config.id2label.items())]

    def decode(self, file: BinaryIO | bytes) -> Decoded:
        """Decode an upload and bring it to the model's size."""
        source = io.BytesIO(file) if isinstance(file, bytes) else file
        image = ImageOps.exif_transpose(Image.open(source))
        rgb = image.convert("RGB").resize(self.size, Image.Resampling.BILINEAR)
        return np.asarray(rgb), {"width": image.width, "height": image.height}

    @torch.inference_mode()
    def predict(self, images: list[Decoded]) -> list[dict[str, Any]]:
        """Return one answer for each image, with the fields that Vitrine answers with."""
        pixels = torch.from_numpy(np.stack([pixels for pixels, _ in images]))
        inputs = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        best = self.model(pixel_values=inputs).logits.softmax(-1).topk(TOP)
        rows = zip(best.indices.tolist(), best.values.tolist(), images, strict=True)
        return [
            {
                "model": {"name": "vit"},
                "image": size,
                "predictions": [
                    {"label": self.labels[index], "label_id": index, "score": value}
                    for index, value in zip(ids, values, strict=True)
                ],
            }
            for ids, values, (_, size) in rows
        ]
