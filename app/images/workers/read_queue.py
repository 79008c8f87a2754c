"""The images that wait for a worker, and which of them are read together. It knows no process."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from statistics import median

from app.backend import Geometry
from app.images.reader import Reading

MAX_GROUP = 16
"""Images in a group."""

GROUP_S = 0.04
"""Seconds of CPU that a group of more than one image should take, by what images took of late. A
worker that has taken longer leaves the rest of its group to be read later."""

RECENT_GROUPS = 15
"""Groups whose time is the measure of the next ones, by their median."""

Waiter = asyncio.Future[Reading]


@dataclass(slots=True)
class QueuedImage:
    """An image that is to be read.

    Attributes:
        data: the encoded image.
        geometry: of the pixels.
        is_suspect: it was in a group that ended its worker, so it is read alone.
        failures: number of workers that it has ended alone.
    """

    data: bytes
    geometry: Geometry
    is_suspect: bool = False
    failures: int = 0


Group = dict[Waiter, QueuedImage]
"""Images that are read together, by the futures of their readings."""


class ReadQueue:
    """Images in the order of arrival; `workers` share them."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._images: Group = {}
        self._seconds_per_byte = deque([0.0], RECENT_GROUPS)

    def add(self, data: bytes, geometry: Geometry) -> Waiter:
        """Add an image; returns the future of its reading."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        self._images[waiter] = QueuedImage(data, geometry)
        return waiter

    def remove(self, waiter: Waiter) -> None:
        """Remove an image, if it still waits."""
        self._images.pop(waiter, None)

    def cancel(self) -> None:
        """Cancel the callers of all images."""
        for waiter in self._images:
            waiter.cancel()

    def take(self) -> Group:
        """Take one worker's share: the oldest images, of one geometry, of some GROUP_S seconds.

        A suspect is alone in its group.
        """
        waiting = [(waiter, image) for waiter, image in self._images.items() if not waiter.done()]
        share = min(ceil(len(waiting) / self._workers), MAX_GROUP)
        left_s, seconds_per_byte = GROUP_S, median(self._seconds_per_byte)
        group: Group = {}
        for waiter, image in waiting[:share]:
            left_s -= len(image.data) * seconds_per_byte
            is_alone = image.is_suspect or left_s < 0 or image.geometry != waiting[0][1].geometry
            if is_alone and group:
                break
            group[waiter] = self._images.pop(waiter)
            if is_alone:
                break
        return group

    def put_back(self, group: Group) -> None:
        """Put images back, before all others."""
        again = {waiter: image for waiter, image in group.items() if not waiter.done()}
        self._images = again | self._images

    def note_time(self, images: Iterable[QueuedImage], seconds: float) -> None:
        """Note how long images took that could be read; a refusal may be quick."""
        size = sum(len(image.data) for image in images)
        self._seconds_per_byte.append(seconds / max(1, size))
