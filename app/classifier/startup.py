"""Start-up of the classifier: from settings to a model that is warmed up."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from app.classifier.cache.cache_entry import CacheEntry
from app.classifier.cache.model_cache import find_cache, open_entry
from app.classifier.checkpoint.files import Checkpoint
from app.classifier.engines.conversion_process import run_conversion
from app.classifier.engines.engine import list_sizes
from app.classifier.engines.gpu import may_have_gpu
from app.classifier.engines.selection import EngineOptions, choose_openvino
from app.classifier.metrics import show_model
from app.classifier.model import Model
from app.classifier.opening import open_configured
from app.errors import StartupError
from app.machine import count_cores
from app.settings import Settings

MAX_ONE_THREAD_S = 0.005
"""A model that takes less of a CPU for an image uses one thread: the ingress, which takes about as
long to read an image, needs the other cores more."""

TRIALS, MAX_TRIALS_S = 3, 0.1
"""Images that are timed, and the seconds after which no more are."""

_logger = logging.getLogger("vitrine.classifier")


def load_model(settings: Settings, sharing: int = 1) -> Model:
    """Open the checkpoint, load it and warm it up.

    Args:
        settings: all of them.
        sharing: classifiers that may run on this machine, which share its cores.

    Raises:
        StartupError: as `open_checkpoint` and `Model`; it is logged in one line too.
    """
    started = time.perf_counter()
    try:
        checkpoint = open_configured(settings)
        model = Model(checkpoint, read_engine_options(settings))
        threads = choose_threads(model, max(1, count_cores() // sharing))
        model.warm_up(settings.batch_size)
    except StartupError as exc:
        _logger.error("%s", exc)  # noqa: TRY400 - one line for a user, not a traceback
        raise
    except MemoryError as exc:
        message = (
            f"{settings.model} does not fit into the memory of VITRINE_DEVICE={settings.device}. "
            "Free some, or choose another device or model."
        )
        _logger.error(message)  # noqa: TRY400 - the same
        raise StartupError(message) from exc
    description, seconds = model.description, time.perf_counter() - started
    show_model(description, seconds, settings.batch_size)
    _logger.info(
        "model %s at %s, %d labels, %s on %s with %d CPU threads%s, ready in %.1f s",
        description.model_id,
        description.revision,
        len(description.labels),
        description.engine,
        description.device,
        threads,
        f", scores calibrated by {description.temperature:g}" * (description.temperature != 1.0),
        seconds,
    )
    return model


def convert_ahead(settings: Settings, checkpoint: Checkpoint) -> None:
    """Start to convert the checkpoint for the cache, if the classifier will look for it there.

    Raises:
        SettingsError: the settings do not fit the checkpoint or this machine.
    """
    options = read_engine_options(settings)
    if options.device != "cpu" and may_have_gpu():
        return  # torch must be asked, and that takes as long
    precision = choose_openvino(checkpoint, options)
    if precision is not None and (entry := open_entry(options.cache, checkpoint, precision)):
        write = partial(run_conversion, checkpoint, precision)
        ahead = threading.Thread(target=_make, args=(entry, write), daemon=True, name="conversion")
        ahead.start()


def _make(entry: CacheEntry, write: Callable[[Path], None]) -> None:
    """Make an entry unless it is there; the classifier meets and tells what goes wrong."""
    with contextlib.suppress(StartupError, OSError, MemoryError):
        entry.load(os.listdir, write)


def read_engine_options(settings: Settings) -> EngineOptions:
    """Read the engine's options from the settings."""
    buckets = list_sizes(settings.batch_size)
    if settings.buckets is not None:
        buckets = (*map(int, settings.buckets.split(",")), settings.batch_size)
    cache = find_cache(settings.cache)
    return EngineOptions(settings.device, settings.engine, settings.precision, buckets, cache)


def choose_threads(model: Model, cores: int) -> int:
    """Set the engine's CPU threads to one if the model is small, else to all `cores`."""
    model.engine.set_threads(1)
    threads = 1 if _time_image(model) < MAX_ONE_THREAD_S else cores
    model.engine.set_threads(threads)
    return threads


def _time_image(model: Model) -> float:
    """Time a blank image, in seconds of CPU: the least of up to TRIALS.

    The CPU's time, because while a service starts other processes use the cores too.
    """
    taken: list[float] = []
    while len(taken) < TRIALS and sum(taken) < MAX_TRIALS_S:
        started = time.process_time()
        model.run_blank(1)
        taken.append(time.process_time() - started)
    return min(taken)
