"""The limits: what this machine gives without any server, in one process and with nothing beside.

Run as ``python -m bench.compare.limits CHECKPOINT IMAGE...``; prints one JSON object. The decoder
and the model are Vitrine's own, with its own choice of threads. CPU times are those of the process.
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
from bench.kit.rounds import time_calls

SECONDS = 1.0
MIN_CALLS = 3
SHARE = 8
"""Images that all cores decode together, timed as one call."""


def measure_call(call: Callable[[], object]) -> tuple[float, float]:
    """Return the median ms of a call and its mean CPU ms, after one that does not count."""
    call()
    cpu_s = time.process_time()
    taken = time_calls(call, SECONDS, MIN_CALLS)
    cpu_s = time.process_time() - cpu_s
    return 1e3 * median(taken), 1e3 * cpu_s / len(taken)


def measure_image(model: Model, picture: Picture, settings: Settings) -> dict[str, float]:
    """Return the decoder's limit on all cores, and one call on its own, one after another."""
    processor = build_processor(model.description.geometry, settings.max_pixels)
    decoder = ImageDecoder(settings.max_bytes, settings.max_pixels)

    def read(_: int = 0) -> Pixels:
        return processor(decoder.decode(picture.content, processor.find_target))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        shared_ms, _ = measure_call(lambda: list(pool.map(read, range(SHARE))))
    decode_ms, decode_cpu_ms = measure_call(read)
    call_ms, call_cpu_ms = measure_call(lambda: model.forward(read()[None]))
    return {
        "decoder_per_s": round(1e3 * SHARE / shared_ms, 1),
        "decode_ms": round(decode_ms, 2),
        "decode_cpu_ms": round(decode_cpu_ms, 2),
        "raw_call_ms": round(call_ms, 2),
        "raw_call_cpu_ms": round(call_cpu_ms, 2),
    }


def measure_limits(checkpoint: str, images: list[str]) -> dict[str, object]:
    """Return every limit of one checkpoint; the model alone runs the batches that are served."""
    settings = Settings(model=checkpoint)
    model, batch = load_model(settings), settings.batch_size
    shape = (batch, *model.description.geometry.shape)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    pictures = map(make_picture, images)
    batch_ms, batch_cpu_ms = measure_call(lambda: model.forward(pixels))
    return {
        "batch_size": batch,
        "engine_per_s": round(1e3 * batch / batch_ms, 1),
        "engine_cpu_ms": round(batch_cpu_ms / batch, 2),
        "images": {one.name: measure_image(model, one, settings) for one in pictures},
    }


if __name__ == "__main__":
    print(json.dumps(measure_limits(sys.argv[1], sys.argv[2:])))
