"""The peer: the same checkpoint behind plain FastAPI and uvicorn, in one file.

Owns what a careful user would write without a serving framework: decode in the thread pool, one
thread that runs the model, one worker. No batches. Knows nothing of Vitrine and imports none of
it. Run as ``python bench/compare/fastapi_server.py --checkpoint F --port N``.
"""

import argparse
import asyncio
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, UploadFile
from fastapi.concurrency import run_in_threadpool
from numpy.typing import NDArray
from PIL import Image, ImageOps
from transformers import ViTForImageClassification

TOP = 5
Pixels = NDArray[np.uint8]


class Classifier:
    """One checkpoint: its geometry, its labels and its model."""

    def __init__(self, checkpoint: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        processor = json.loads((checkpoint / "preprocessor_config.json").read_text())
        self.size = (processor["size"]["width"], processor["size"]["height"])
        self.mean = 255 * torch.tensor(processor["image_mean"]).view(1, 3, 1, 1)
        self.std = 255 * torch.tensor(processor["image_std"]).view(1, 3, 1, 1)
        self.model = ViTForImageClassification.from_pretrained(checkpoint).eval()
        self.labels = [name for _, name in sorted(self.model.config.id2label.items())]
        self.runner = ThreadPoolExecutor(max_workers=1)

    def decode(self, data: bytes) -> tuple[Pixels, dict[str, int]]:
        """Return an upload as uint8 ``[height, width, 3]`` pixels and the facts of its image."""
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        facts = {"width": image.width, "height": image.height}
        rgb = image.convert("RGB").resize(self.size, Image.Resampling.BILINEAR)
        return np.asarray(rgb), facts

    @torch.inference_mode()
    def predict(self, pixels: Pixels) -> list[dict[str, Any]]:
        """Return the top five."""
        batch = torch.tensor(pixels).permute(2, 0, 1).unsqueeze(0)
        inputs = (batch.float() - self.mean) / self.std
        best = self.model(pixel_values=inputs).logits[0].softmax(-1).topk(TOP)
        rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [{"label": self.labels[i], "label_id": i, "score": value} for i, value in rows]

    async def classify(self, file: UploadFile) -> dict[str, Any]:
        """Return one answer with the fields that Vitrine answers with."""
        pixels, facts = await run_in_threadpool(self.decode, await file.read())
        loop = asyncio.get_running_loop()
        predictions = await loop.run_in_executor(self.runner, self.predict, pixels)
        return {"model": {"name": "vit"}, "image": facts, "predictions": predictions}


def create_app(classifier: Classifier) -> FastAPI:
    """Return the two routes."""
    app = FastAPI()

    @app.get("/health")
    async def check_health() -> str:
        return "ok"

    @app.post("/predict")
    async def predict(file: UploadFile) -> dict[str, Any]:
        return await classifier.classify(file)

    return app


def serve() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1, help="torch's")
    arguments = parser.parse_args()
    app = create_app(Classifier(arguments.checkpoint, arguments.threads))
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=arguments.port,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    serve()
