"""Limits and calls of a predictor over the fake backend."""

import asyncio
from typing import Final

from app.limits import Limits
from app.prediction.predictor import Predictor
from app.prediction.result import Classified
from schemas import PredictOptions
from tests.support import samples

LIMITS: Final = Limits(
    max_bytes=1_000_000, max_pixels=1_000_000, max_queue=8, timeout_s=20, batch_size=4
)
TOP_1: Final = PredictOptions(top_k=1)


def start(predictor: Predictor, level: int = 0) -> asyncio.Task[Classified]:
    """Start to classify an image of one brightness."""
    return asyncio.create_task(predictor.classify(samples.encode_grey(level), TOP_1))


def best_label(classified: Classified) -> str:
    """Name the best label."""
    return classified.response.predictions[0].label
