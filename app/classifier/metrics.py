"""What a classifier replica counts: batches, what went wrong in them, and its model."""

from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram, Info

from app.backend import Description
from app.errors import ModelUnavailableError
from app.observability.metrics import IMAGES, REGISTRY, SECONDS, clean_value

batch_images = Histogram(
    "vitrine_batch_images",
    "Images of each batch that the model ran; probes are among them.",
    buckets=IMAGES,
    registry=REGISTRY,
)
batch_seconds = Histogram(
    "vitrine_batch_seconds",
    "Seconds that the model took for a batch.",
    buckets=SECONDS,
    registry=REGISTRY,
)
_batch_limit = Gauge(
    "vitrine_batch_images_limit", "Images that a batch has at most.", registry=REGISTRY
)
bisections = Counter(
    "vitrine_bisections", "Batches that failed and were run in halves.", registry=REGISTRY
)
overflows = Counter(
    "vitrine_precision_overflows",
    "Batches that half precision could not express and that ran again in fp32.",
    registry=REGISTRY,
)
failed_images = Counter(
    "vitrine_failed_images", "Images that the model failed on, alone.", registry=REGISTRY
)
reloads = Counter(
    "vitrine_reloads",
    "Reloads of the checkpoint, by outcome: loaded or failed.",
    ["outcome"],
    registry=REGISTRY,
)
for _outcome in ("loaded", "failed"):
    reloads.labels(_outcome)  # an increase from no series to 1 would not show
_is_failing = Gauge(
    "vitrine_model_failing",
    "1 while a batch hangs or the device is lost, else 0.",
    registry=REGISTRY,
)
_load_seconds = Gauge(
    "vitrine_model_load_seconds", "Seconds that the model took to load.", registry=REGISTRY
)
_model = Info("vitrine_model", "The model that is served.", registry=REGISTRY)


def show_health(check: Callable[[], None]) -> None:
    """Show from now on whether the model works: whether `check` raises ModelUnavailableError."""

    def is_failing() -> bool:
        try:
            check()
        except ModelUnavailableError:
            return True
        return False

    _is_failing.set_function(is_failing)


def show_model(description: Description, seconds: float, batch_size: int) -> None:
    """Show the model that is served from now on, how long it took to load, and its batches."""
    engine, _, precision = description.engine.partition(" ")
    about = {
        "id": description.model_id,
        "revision": description.revision,
        "engine": engine,
        "precision": precision,
        "device": description.device,
    }
    _model.info({name: clean_value(value) for name, value in about.items()})
    _load_seconds.set(seconds)
    _batch_limit.set(batch_size)
