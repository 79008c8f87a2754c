"""The ingresses of a simulated cluster. Real are the `Coalescer` and `Limits`."""

import asyncio
import random
from collections.abc import Callable

import numpy as np

from app.backend import Pixels, Scored
from app.errors import OverloadedError
from app.limits import derive_limits
from app.prediction.coalescer import Coalescer
from app.settings import Settings
from bench.studies.cluster_classifier import BATCH, Shape, SimulatedClassifier
from bench.studies.cluster_parts import Cores, Process

READERS = 4
"""Cores on which the workers of an ingress read."""

PAUSES_S = (0.1, 0.5)
"""As `app.deployments.handle_backend`, whose import would bring Ray's."""

PIXELS = np.zeros(1, np.uint8)


class Router:
    """Power of two choices by the groups that this ingress has in flight on each classifier.

    Attributes:
        known: the classifiers that run, by index.
        retried: groups that were sent again.
    """

    def __init__(self, classifiers: list[SimulatedClassifier], seed: int) -> None:
        self._classifiers = classifiers
        self._sent = [0] * len(classifiers)
        self._random = random.Random(seed)  # noqa: S311 - a simulation repeats itself
        self.retried = 0
        self.reset()

    async def score(self, images: int) -> None:
        """Score a group, and again where a replica dies; raises ConnectionError."""
        for pause_s in (*PAUSES_S, None):
            if not self.known:
                raise ConnectionError
            drawn = self._random.sample(self.known, min(2, len(self.known)))
            one = min(drawn, key=self._sent.__getitem__)
            self._sent[one] += 1
            try:
                return await self._classifiers[one].score(images)
            except ConnectionError:
                if one in self.known:
                    self.known.remove(one)
                if pause_s is None:
                    raise
                self.retried += 1
                await asyncio.sleep(pause_s)
            finally:
                self._sent[one] -= 1
        return None

    def reset(self) -> None:
        """Take all classifiers again."""
        self.known = list(range(len(self._classifiers)))


class Ingress(Process):
    """One ingress replica: admission, reading, groups.

    Args:
        shape: of the cluster.
        router: sends groups.
        count_ingresses: gives how many share the classifiers.
    """

    def __init__(self, shape: Shape, router: Router, count_ingresses: Callable[[], int]) -> None:
        super().__init__()
        settings = Settings(classifier_replicas=shape.classifiers, batch_size=BATCH)
        self._limits, self._costs = derive_limits(settings), shape.costs
        self._readers = Cores(READERS)
        self._count_ingresses, self.router = count_ingresses, router

        def count_classifiers() -> float:
            return len(router.known) / (1 if shape.as_it_was else count_ingresses())

        self._coalescer = Coalescer(self._send, BATCH, count_classifiers)

    async def answer(self) -> None:
        """Answer one image; raises OverloadedError, or ConnectionError when this replica dies."""
        bounds = self._limits.bound_images(len(self.router.known), self._count_ingresses())
        if self.is_alive and len(self.held) + 1 > bounds.most:
            raise OverloadedError("full")
        await self.hold(self._answer())

    async def _answer(self) -> None:
        """Read an image and have it scored."""
        await self.core.work(self._costs.image)
        await self._readers.work(self._costs.read)
        await self._coalescer.score(PIXELS)

    async def _send(self, pixels: Pixels, _timeout_s: float, _traced: tuple[str, ...]) -> Scored:
        """Send a group there and back."""
        await self.core.work(self._costs.sent_group)
        await asyncio.sleep(self._costs.hop / 1000)
        await self.router.score(len(pixels))
        await asyncio.sleep(self._costs.hop / 1000)
        return Scored("simulated", np.zeros((len(pixels), 1), np.float32), None, 0.0)
