"""The limits of one predictor, derived from the settings."""

from dataclasses import dataclass
from math import ceil

from app.machine import count_cores
from app.settings import Settings

GAP = 3.0
"""How many times larger than its resized result a scaled image stays, on both edges.

Pillow calls it `reducing_gap`; 3 is nearly exact, by its documentation and our benchmark.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one predictor; those named as in `Settings` have its meaning.

    Attributes:
        max_queue: maximum number of images in flight.
        min_queue: number that is admitted however long it waits, up to max_queue.
        max_queue_bytes: maximum number of buffered bytes.
        batch_size: maximum number of images in a group.
        gap: as GAP; None for exact decoding.
        readers: number of images that are read at once.
    """

    max_bytes: int
    max_pixels: int
    max_queue: int
    timeout_s: float
    batch_size: int
    classifier_replicas: int = 1
    gap: float | None = None
    readers: int = 2
    decode_timeout_s: float = 10.0
    max_queue_bytes: int = 1 << 28
    max_bulk: int = 64
    min_queue: int = 1 << 10

    @property
    def max_stack(self) -> int:
        """Maximum number of images of one `score` call, which takes all slots at once."""
        return min(self.max_bulk, self.max_queue)


QUEUED_BATCHES, MIN_QUEUED_BATCHES = 8, 2
"""Batches per classifier that may be in flight; and those that may be however long they take."""

IMAGE_BYTES = 1 << 20
"""Bytes that are assumed for an image in flight: a photograph of several megapixels."""


def derive_limits(settings: Settings) -> Limits:
    """Derive the limits from the settings and this machine's cores.

    The ingress replicas share what the classifiers can hold; two of the largest images always fit.
    """
    share = settings.batch_size * settings.classifier_replicas / settings.ingress_replicas
    images = settings.max_queue or ceil(QUEUED_BATCHES * share)
    least = (
        images if settings.max_queue else max(ceil(MIN_QUEUED_BATCHES * share), settings.max_bulk)
    )
    size = settings.max_queue_bytes or max(images * IMAGE_BYTES, 2 * settings.max_bytes)
    return Limits(
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_pixels,
        max_queue=images,
        min_queue=min(least, images),
        max_queue_bytes=size,
        max_bulk=settings.max_bulk,
        timeout_s=settings.timeout_s,
        batch_size=settings.batch_size,
        classifier_replicas=settings.classifier_replicas,
        gap=GAP if settings.decode == "scaled" else None,
        readers=count_cores(),
        decode_timeout_s=settings.decode_timeout_s,
    )
