"""The limits: what this machine gives without any server, in one process and with nothing beside.

Run as ``python -m bench.compare.limits CHECKPOINT IMAGE...``; prints one JSON object. The decoder
and the model are Vitrine's own, with its own choice of threads.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import numpy as np

from app.backend import Pixels
from app.classifier.model import Model
from app.classifier.startup import load_model
from app.images.decoder import ImageDecoder
from app.images.geometry import build_processor
from app.settings import Settings
from bench.kit.images import Picture, make_picture

SECONDS = 1.0
FEWEST, SHARE = 3, 8


def time_calls(call: Callable[[], object]) -> list[float]:
    """Return the seconds of each call, as many as fit in SECONDS but a few at least."""
    call()
    taken: list[float] = []
    started = time.perf_counter()
    while len(taken) < FEWEST or time.perf_counter() - started < SECONDS:
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
    return taken


def measure_image(model: Model, picture: Picture, settings: Settings) -> dict[str, float]:
    """Return the decoder's limit on all cores, and one call on its own, one after another."""
    processor = build_processor(model.description.geometry, settings.max_pixels)
    decoder = ImageDecoder(settings.max_bytes, settings.max_pixels)

    def read(_: int = 0) -> Pixels:
        return processor(decoder.decode(picture.content, processor.find_target))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        shared = median(time_calls(lambda: list(pool.map(read, range(SHARE)))))
    call = median(time_calls(lambda: model.forward(np.stack([read()]))))
    return {
        "decoder_per_s": round(SHARE / shared, 1),
        "decode_ms": round(1e3 * median(time_calls(read)), 2),
        "raw_call_ms": round(1e3 * call, 2),
    }


def measure_limits(checkpoint: str, images: list[str]) -> dict[str, object]:
    """Return every limit of one checkpoint; the model alone runs the batches that are served."""
    settings = Settings(model=checkpoint)
    model, batch = load_model(settings), settings.batch_size
    shape = (batch, *model.description.geometry.size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pictures = map(make_picture, images)
    return {
        "batch_size": batch,
        "engine_per_s": round(batch / median(time_calls(lambda: model.forward(pixels))), 1),
        "images": {one.name: measure_image(model, one, settings) for one in pictures},
    }


if __name__ == "__main__":
    print(json.dumps(measure_limits(sys.argv[1], sys.argv[2:])))
