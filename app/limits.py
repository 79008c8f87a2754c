"""The bounds of one predictor, as plain values."""

from dataclasses import dataclass
from math import ceil

from app.machine import count_cores
from app.settings import Settings

GAP = 3.0
"""How many times larger than the resize's result a scaled image stays, on both edges.

Pillow calls it `reducing_gap` and holds 3 to be as good as exact in most cases; so does
`make bench-decode`.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one predictor.

    Attributes:
        max_bytes: largest encoded image, bytes.
        max_pixels: largest image, pixels.
        max_queue: most images at once.
        max_queue_bytes: most bytes of their bodies at once.
        timeout_s: seconds an image may take.
        batch_size: most images in a group.
        classifier_replicas: how many classifiers share the groups.
        gap: how many times larger than needed a JPEG is decoded at least; None for exactly.
        readers: how many images are read at once.
        decode_timeout_s: seconds that one may take to be read.
        max_bulk: most images in one request.
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

    @property
    def max_stack(self) -> int:
        """Most images that are scored in one call, which take their places all at once."""
        return min(self.max_bulk, self.max_queue)


QUEUED_BATCHES = 8
"""Batches for each classifier that may wait."""

IMAGE_BYTES = 1 << 20
"""Bytes that are counted on for an image that waits, a photograph of several megapixels."""


def derive_limits(settings: Settings) -> Limits:
    """Derive the bounds from settings and this machine's cores.

    What the classifiers can hold is shared out to the ingress replicas; one image of the largest
    size always fits.
    """
    batches = QUEUED_BATCHES * settings.classifier_replicas
    images = settings.max_queue or ceil(batches * settings.batch_size / settings.ingress_replicas)
    size = settings.max_queue_bytes or max(images * IMAGE_BYTES, 2 * settings.max_bytes)
    return Limits(
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_pixels,
        max_queue=images,
        max_queue_bytes=size,
        max_bulk=settings.max_bulk,
        timeout_s=settings.timeout_s,
        batch_size=settings.batch_size,
        classifier_replicas=settings.classifier_replicas,
        gap=GAP if settings.decode == "scaled" else None,
        readers=count_cores(),
        decode_timeout_s=settings.decode_timeout_s,
    )
