"""The peer: LitServe 0.2.19 serving the same checkpoint, run by bench/.venv-litserve.

Owns what a careful LitServe user would write: decode, geometry, batch, top-k. Knows nothing of
Vitrine and imports none of it. Run by ``bench/compare/peers.py``.
"""

import argparse
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fastapi import Request
from litserve import LitAPI, LitServer
from numpy.typing import NDArray
from PIL import Image, ImageOps
from transformers import ViTForImageClassification

TOP = 5
BATCH = 16
BATCH_WAIT_S = 0.005
# One thread for a small model: on 2 cores, requests/s for the PNG at 1 / 16 / 64 connections were
# 87 / 326 / 467 with one and 38 / 57 / 1 with two. peers.py gives a large one all cores.
# Workers decode, so a small model gets one for each core: for the 640x480 JPEG 75 / 257 / 387 with
# two and 74 / 198 / 193 with one, for the PNG 107 / 459 / 673 and 99 / 456 / 568. ViT-Ti/16 gave
# 22 / 36 / 30 with one worker on two threads and 13 / 28 / 33 with two workers on one.
# fast_queue is what LitServe documents; release 0.2.19 drops the flag
# (https://github.com/Lightning-AI/LitServe/issues/751).
THREADS = 1
Pixels = NDArray[np.uint8]
Decoded = tuple[Pixels, dict[str, int]]


class Classifier(LitAPI):
    """Classify images: decoding on the worker, one forward pass for up to 16 of them."""

    def __init__(self, checkpoint: Path, threads: int) -> None:
        super().__init__(max_batch_size=BATCH, batch_timeout=BATCH_WAIT_S)
        self.checkpoint = checkpoint
        self.threads = threads

    def setup(self, device: str) -> None:
        """Load the checkpoint and its geometry, once, in the worker process."""
        torch.set_num_threads(self.threads)
        processor = json.loads((self.checkpoint / "preprocessor_config.json").read_text())
        self.size = (processor["size"]["width"], processor["size"]["height"])
        self.mean = 255 * torch.tensor(processor["image_mean"]).view(1, 3, 1, 1)
        self.std = 255 * torch.tensor(processor["image_std"]).view(1, 3, 1, 1)
        self.model = ViTForImageClassification.from_pretrained(self.checkpoint).to(device).eval()
        self.labels = [name for _, name in sorted(self.model.config.id2label.items())]

    def decode_request(self, request: Request) -> Decoded:
        """Return one upload as uint8 ``[height, width, 3]`` pixels and the facts of its image."""
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(request["file"].file.read())))
        facts = {"width": image.width, "height": image.height}
        rgb = image.convert("RGB").resize(self.size, Image.Resampling.BILINEAR)
        return np.asarray(rgb), facts

    def batch(self, inputs: list[Decoded]) -> tuple[torch.Tensor, list[dict[str, int]]]:
        """Return uint8 ``[n, height, width, 3]`` pixels and the facts of each image."""
        return torch.from_numpy(np.stack([pixels for pixels, _ in inputs])), [f for _, f in inputs]

    @torch.inference_mode()
    def predict(self, x: tuple[torch.Tensor, list[dict[str, int]]]) -> list[dict[str, Any]]:
        """Return the top five of each image of a batch."""
        pixels, facts = x
        inputs = (pixels.permute(0, 3, 1, 2).float() - self.mean) / self.std
        scores = self.model(pixel_values=inputs).logits.softmax(-1).topk(TOP)
        rows = zip(scores.indices.tolist(), scores.values.tolist(), facts, strict=True)
        return [self.describe(ids, values, fact) for ids, values, fact in rows]

    def describe(self, ids: list[int], values: list[float], fact: dict[str, int]) -> dict[str, Any]:
        """Return one answer with the fields that Vitrine answers with."""
        predictions = [
            {"label": self.labels[index], "label_id": index, "score": value}
            for index, value in zip(ids, values, strict=True)
        ]
        return {"model": {"name": "vit"}, "image": fact, "predictions": predictions}

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the answers as they are: predict makes one for each image."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Return one answer; LitServe makes the JSON."""
        return output


def parse_arguments() -> argparse.Namespace:
    """Return the checkpoint, the port and the settings that were measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


def serve() -> None:
    """Serve until interrupted."""
    arguments = parse_arguments()
    api = Classifier(arguments.checkpoint, arguments.threads)
    server = LitServer(
        api, accelerator="cpu", fast_queue=True, workers_per_device=arguments.workers
    )
    server.run(
        host="127.0.0.1",
        port=arguments.port,
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )


if __name__ == "__main__":
    serve()
