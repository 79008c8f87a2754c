"""What an ingress replica counts of images: outcomes, times of each stage, groups, answers."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from prometheus_client import Counter, Gauge

from app.errors import ProblemError
from app.observability.histogram import FastHistogram
from app.observability.metrics import REGISTRY, SECONDS
from app.observability.stages import CLASSIFICATION
from app.prediction.admission import Admission
from app.prediction.result import Classified
from app.prediction.score_metrics import ScoreMetrics

_images = Counter(
    "vitrine_images",
    "Images by outcome: classified, cancelled or the type of their problem.",
    ["outcome"],
    registry=REGISTRY,
)
_stage_seconds = FastHistogram(
    "vitrine_stage_seconds",
    "Seconds of each stage of an image that was classified: read (decoded and resized), wait "
    "(until its group was sent), batch (until its batch ran, and the way there and back), "
    "inference (its batch).",
    SECONDS,
    "stage",
)
_find_outcome = cache(_images.labels)
_read, _wait, _batch, _inference = (_stage_seconds.find(stage) for stage in CLASSIFICATION)
_in_flight = Gauge("vitrine_images_in_flight", "Images that are in flight now.", registry=REGISTRY)
_capacity = Gauge(
    "vitrine_images_capacity",
    "Images that may be in flight now, which follows how many are answered.",
    registry=REGISTRY,
)
_bytes = Gauge("vitrine_buffered_bytes", "Bytes of requests that are held now.", registry=REGISTRY)
_max_bytes = Gauge(
    "vitrine_buffered_bytes_capacity", "Bytes of requests that may be held.", registry=REGISTRY
)
_scores = ScoreMetrics()
REGISTRY.register(_scores)


@contextmanager
def count_images(number: int) -> Iterator[None]:
    """Count images by what becomes of them in the block."""
    outcome = "internal"
    try:
        yield
        outcome = "classified"
    except asyncio.CancelledError:
        outcome = "cancelled"
        raise
    except ProblemError as problem:
        outcome = problem.type
        raise
    finally:
        _find_outcome(outcome).inc(number)


def count_answer(classified: Classified) -> None:
    """Count an answer: its times, its first label, and how certain it is."""
    timing = classified.timing
    _read.add(timing.decode_ms / 1000)
    _wait.add(timing.group_ms / 1000)
    _batch.add((timing.queue_ms - timing.group_ms) / 1000)
    _inference.add(timing.inference_ms / 1000)
    _scores.add(classified.scores, classified.description)


def show_admission(admission: Admission) -> None:
    """Show what is in flight from now on."""
    _in_flight.set_function(lambda: admission.images)
    _capacity.set_function(admission.find_limit)
    _bytes.set_function(lambda: admission.bytes)
    _max_bytes.set(admission.max_bytes)
