"""The limits: what this machine gives without any server, in one process and with nothing beside.

Run as ``python -m bench.compare.limits CHECKPOINT IMAGE...``; prints one JSON object. The decoder
and the model are Vitrine's own, with its own choice of threads.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median

import numpy as np

from app.backend import Pixels
from app.classifier.model import Model
from app.classifier.startup import load_model
from app.images.decoder import ImageDecoder
from app.images.geometry import Processor, build_processor
from app.settings import Settings
from bench.kit.images import IMAGES, Picture, make_picture

SECONDS = 1.0
FEWEST = 3
Reader = Callable[[], Pixels]


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


@contextmanager
def share_work(call: Callable[[], object], count: int) -> Iterator[Callable[[], object]]:
    """Give a call that runs ``call`` so many times, on as many threads as there are cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield lambda: [done.result() for done in [pool.submit(call) for _ in range(count)]]


def make_reader(picture: Picture, settings: Settings, processor: Processor) -> Reader:
    """Return what decodes the picture and brings it to the model's size."""
    decoder = ImageDecoder(settings.max_bytes, settings.max_pixels)
    return lambda: processor(decoder.decode(picture.content, processor.find_target))


def measure_image(model: Model, reader: Reader) -> dict[str, float]:
    """Return the decoder's limit on all cores, and one call on its own, one after another."""
    share = 8
    with share_work(reader, share) as read_many:
        decoder = share / median(time_calls(read_many))
    return {
        "decoder_per_s": round(decoder, 1),
        "decode_ms": round(1e3 * median(time_calls(reader)), 2),
        "raw_call_ms": round(
            1e3 * median(time_calls(lambda: model.forward(np.stack([reader()])))), 2
        ),
    }


def measure_engine(model: Model, batch: int) -> float:
    """Return the images/s of the model alone at the batch size that is served."""
    shape = (batch, *model.description.geometry.size, 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return round(batch / median(time_calls(lambda: model.forward(pixels))), 1)


def measure_limits(checkpoint: str, images: list[str]) -> dict[str, object]:
    """Return every limit of one checkpoint."""
    settings = Settings(model=checkpoint)
    model = load_model(settings)
    processor = build_processor(model.description.geometry, settings.max_pixels)
    pictures = [make_picture(name) for name in images]
    return {
        "batch_size": settings.batch_size,
        "engine_per_s": measure_engine(model, settings.batch_size),
        "images": {
            picture.name: measure_image(model, make_reader(picture, settings, processor))
            for picture in pictures
        },
    }


def run() -> None:
    """Print the limits."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare.limits", description=__doc__)
    parser.add_argument("checkpoint", help="folder")
    parser.add_argument("images", nargs="+", choices=IMAGES)
    arguments = parser.parse_args()
    print(json.dumps(measure_limits(arguments.checkpoint, arguments.images)))


if __name__ == "__main__":
    run()
