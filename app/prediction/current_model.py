"""What is ready for the revision that is served, and how another one takes its place.

An ingress holds no checkpoint: it asks the classifier to describe itself once, and an answer that
another revision scored brings that revision's description along.
"""

import asyncio
from dataclasses import dataclass

from app.backend import Backend, Description, Group, Pixels, Scored
from app.images.reader import Reader
from app.limits import Limits
from app.prediction.coalescer import Coalescer


@dataclass(frozen=True, slots=True)
class Preparation:
    """What serves the images of one revision of the model."""

    description: Description
    coalescer: Coalescer


class Preparations:
    """Keeps what is ready for the revision of now.

    Args:
        backend: describes itself, and scores groups.
        reader: gets ready for each revision's geometry.
        limits: of groups.
    """

    def __init__(self, backend: Backend, reader: Reader, limits: Limits) -> None:
        self._backend = backend
        self._reader = reader
        self._limits = limits
        self._current: Preparation | None = None
        self._changing = asyncio.Lock()

    async def get(self) -> Preparation:
        """Get ready for what is served; asks the classifier the first time."""
        if self._current is not None:
            return self._current
        async with self._changing:
            if self._current is None:
                self._current = await self._build(await self._backend.describe())
            return self._current

    async def adopt(self, preparation: Preparation, scored: Scored) -> Description:
        """Find who scored; takes that revision over where the answer brings its description."""
        if scored.description is None:
            return preparation.description
        async with self._changing:
            if self._current is None or self._current.description != scored.description:
                self._current = await self._build(scored.description)
        return scored.description

    async def _build(self, description: Description) -> Preparation:
        """Get ready for one revision."""

        async def send(pixels: Pixels, within_s: float) -> Scored:
            group = Group(pixels, description.revision, description.geometry, within_s)
            return await self._backend.predict(group)

        await self._reader.prepare(description.geometry)
        limits = self._limits
        coalescer = Coalescer(send, limits.batch_size, limits.classifier_replicas)
        return Preparation(description, coalescer)
