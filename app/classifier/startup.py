"""From settings to a model that is warm: the classifier's start-up, in order, with a line."""

import logging
import time

from app.classifier.checkpoint.files import open_checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model
from app.errors import StartupError
from app.machine import count_cores
from app.settings import Settings

WORTH = 1.25
"""More threads are taken when a batch is this many times faster: the ingress wants cores too."""

SMALL_S = 0.005
"""A model that scores an image in less on one thread stays there: the ingress, which takes about as
long to read an image, needs the other cores more."""

TRIALS, LONG_S = 3, 1.0
"""Batches that are timed for each number of threads, and the seconds after which none follows."""

TRIAL_BATCH = 4
"""Images in the batch that threads are compared on."""

_logger = logging.getLogger("vitrine.classifier")


def load_model(settings: Settings) -> Model:
    """Open the checkpoint, load it and warm it up.

    Raises:
        StartupError: as `open_checkpoint` and `Model` do; it is also logged, in one line.
    """
    started = time.perf_counter()
    try:
        checkpoint = open_checkpoint(settings.model, settings.revision, settings.processor)
        model = Model(checkpoint, read_engine_options(settings))
    except StartupError as exc:
        _logger.error("%s", exc)  # noqa: TRY400 - one line for a user, not a traceback
        raise
    cores = count_cores() // settings.classifier_replicas
    threads = choose_threads(model, min(TRIAL_BATCH, settings.batch_size), max(1, cores))
    model.warm_up(settings.batch_size)
    description = model.description
    _logger.info(
        "model %s at %s, %d labels, %s on %s with %d CPU threads, ready in %.1f s",
        description.model_id,
        description.revision,
        len(description.labels),
        description.engine,
        description.device,
        threads,
        time.perf_counter() - started,
    )
    return model


def read_engine_options(settings: Settings) -> EngineOptions:
    """Read from the settings what is to run the model."""
    if settings.buckets is None:
        powers = (1 << power for power in range((settings.batch_size - 1).bit_length()))
        buckets = (*powers, settings.batch_size)
    else:
        buckets = (*map(int, settings.buckets.split(",")), settings.batch_size)
    return EngineOptions(settings.device, settings.engine, settings.precision, buckets)


def choose_threads(model: Model, batch_size: int, cores: int) -> int:
    """Choose and set how many CPU threads the engine uses: all `cores` where that pays, else one.

    A small model is slower on many threads than on one; a large one is not. Measured, not guessed.
    """
    seconds = {}
    for threads in (cores, 1):
        model.engine.set_threads(threads)
        seconds[threads] = _time_batch(model, batch_size)
    is_small = seconds[1] < SMALL_S * batch_size
    threads = cores if seconds[1] > WORTH * seconds[cores] and not is_small else 1
    model.engine.set_threads(threads)
    return threads


def _time_batch(model: Model, batch_size: int) -> float:
    """Time a blank batch, in seconds: the best of three, or of fewer that take long."""
    taken: list[float] = []
    while len(taken) < TRIALS and sum(taken) < LONG_S:
        started = time.perf_counter()
        model.run_blank(batch_size)
        taken.append(time.perf_counter() - started)
    return min(taken)
