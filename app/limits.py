"""The limits of one predictor, derived from the settings."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from app.machine import count_cores
from app.settings import Settings

GAP = 3.0
"""How many times larger than its resized result a scaled image stays, on both edges.

Pillow calls it `reducing_gap`; 3 is nearly exact, by its documentation and our benchmark.
"""

MAX_WAIT_S = 1.5
"""Seconds that an admitted image should wait at most; half of the time limit while more classifiers
are to come."""


class ImageBounds(NamedTuple):
    """How many images may be in flight.

    Attributes:
        least: number that is admitted however long it waits.
        most: maximum.
        wait_s: between both, as many as are answered in so many seconds.
    """

    least: float
    most: float
    wait_s: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one predictor; those named as in `Settings` have its meaning.

    Attributes:
        max_queue: maximum number of images in flight, however many classifiers run.
        queue_share: images that one classifier replica takes at once; infinite for a fixed bound.
        max_classifiers: maximum number of classifier replicas, where it follows the load; else 0.
        scales_to_zero: whether it may be on purpose that no classifier runs.
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
    queue_share: float = math.inf
    max_classifiers: int = 0
    scales_to_zero: bool = False
    gap: float | None = None
    readers: int = 2
    decode_timeout_s: float = 10.0
    max_queue_bytes: int = 1 << 28
    max_bulk: int = 64

    @property
    def max_stack(self) -> int:
        """Maximum number of images of one `score` call, which takes all slots at once."""
        return int(min(self.max_bulk, self.bound_images(1).most))

    def bound_images(
        self, classifiers: int, ingresses: int = 1, *, has_grown: bool = False
    ) -> ImageBounds:
        """Bound the images in flight while so many classifiers are shared by so many ingresses.

        While more classifiers are to come, or have come of late (`has_grown`), what those will
        answer may wait for them.
        """
        share = self.queue_share / ingresses
        most, wait_s = QUEUED_BATCHES * share * max(1, classifiers), MAX_WAIT_S
        if classifiers < self.max_classifiers or has_grown:
            most = GROWING_BATCHES * share * self.max_classifiers
            wait_s = GROWING_WAIT * self.timeout_s
        most = min(most, self.max_queue)
        least = min(max(MIN_QUEUED_BATCHES * share * max(1, classifiers), self.max_bulk), most)
        return ImageBounds(least, most, wait_s)


QUEUED_BATCHES, MIN_QUEUED_BATCHES, GROWING_BATCHES = 8, 2, 32
"""Batches per classifier that may be in flight; those that may be however long they take; and those
for each classifier that may come, while more are to come."""

GROWING_WAIT = 0.8
"""Share of its deadline for which an image may wait while more classifiers are to come."""

IMAGE_BYTES = 1 << 20
"""Bytes that are assumed for an image in flight: a photograph of several megapixels."""

MAX_HELD_IMAGES = 2048
"""Images whose bytes an ingress replica has room for by default, however many may be in flight."""


MIN_READERS = 2
"""So that one image that takes long does not hold up all others."""


def derive_limits(settings: Settings, sharing: int = 1) -> Limits:
    """Derive the limits from the settings and this machine's cores.

    An ingress replica has room for what all classifiers can hold; two of the largest images always
    fit.

    Args:
        settings: all of them.
        sharing: ingress replicas that may run on this machine, which share its cores.
    """
    batches = GROWING_BATCHES if settings.max_classifier_replicas else QUEUED_BATCHES
    images = settings.max_queue or batches * settings.batch_size * settings.most_classifiers
    held = min(images, max(settings.max_queue or 0, MAX_HELD_IMAGES))
    size = settings.max_queue_bytes or max(held * IMAGE_BYTES, 2 * settings.max_bytes)
    return Limits(
        max_bytes=settings.max_bytes,
        max_pixels=settings.max_pixels,
        max_queue=images,
        queue_share=math.inf if settings.max_queue else settings.batch_size,
        max_classifiers=settings.max_classifier_replicas or 0,
        scales_to_zero=settings.min_classifier_replicas == 0,
        max_queue_bytes=size,
        max_bulk=settings.max_bulk,
        timeout_s=settings.timeout_s,
        batch_size=settings.batch_size,
        gap=GAP if settings.decode == "scaled" else None,
        readers=max(MIN_READERS, count_cores() // sharing),
        decode_timeout_s=settings.decode_timeout_s,
    )
