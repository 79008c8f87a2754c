"""The limits: what this machine gives without any server, in one process and with nothing beside.

Run as ``python -m bench.compare.limits CHECKPOINT IMAGE...``; prints one JSON object. The decoder
and the model are Vitrine's own, with its own choice of threads.
"""

import json
import os
import sys
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
from bench.kit.rounds import time_calls

SECONDS = 1.0
MIN_CALLS = 3
SHARE = 8
"""Images that all cores decode together, timed as one call."""


def measure_call(call: Callable[[], object]) -> float:
    """Return the median seconds of a call, after one that does not count."""
    call()
    return median(time_calls(call, SECONDS, MIN_CALLS))


def measure_image(model: Model, picture: Picture, settings: Settings) -> dict[str, float]:
    """Return the decoder's limit on all cores, and one call on its own, one after another."""
    processor = build_processor(model.description.geometry, settings.max_pixels)
    decoder = ImageDecoder(settings.max_bytes, settings.max_pixels)

    def read(_: int = 0) -> Pixels:
        return processor(decoder.decode(picture.content, processor.find_target))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        shared = measure_call(lambda: list(pool.map(read, range(SHARE))))
    call = measure_call(lambda: model.forward(read()[None]))
    return {
        "decoder_per_s": round(SHARE / shared, 1),
        "decode_ms": round(1e3 * measure_call(read), 2),
        "raw_call_ms": round(1e3 * call, 2),
    }


def measure_limits(checkpoint: str, images: list[str]) -> dict[str, object]:
    """Return every limit of one checkpoint; the model alone runs the batches that are served."""
    settings = Settings(model=checkpoint)
    model, batch = load_model(settings), settings.batch_size
    shape = (batch, *model.description.geometry.shape)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pictures = map(make_picture, images)
    return {
        "batch_size": batch,
        "engine_per_s": round(batch / measure_call(lambda: model.forward(pixels)), 1),
        "images": {one.name: measure_image(model, one, settings) for one in pictures},
    }


if __name__ == "__main__":
    print(json.dumps(measure_limits(sys.argv[1], sys.argv[2:])))
