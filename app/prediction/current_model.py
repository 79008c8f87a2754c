"""The model that an ingress replica knows, and the change to another revision of it.

An ingress holds no checkpoint. It asks the classifier for its description once; a result that
another revision scored brings that revision's description along.
"""

import asyncio
from dataclasses import dataclass

from app.backend import Backend, Description, Group, Pixels, Scored
from app.images.reader import Reader
from app.limits import Limits
from app.prediction.coalescer import Coalescer


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One revision's description and the coalescer of its groups."""

    description: Description
    coalescer: Coalescer


class CurrentModel:
    """Keeps the current ServedModel, and replaces it when the classifier changes.

    Args:
        backend: the classifier.
        reader: is warmed up for each revision's geometry.
        limits: of groups.
    """

    def __init__(self, backend: Backend, reader: Reader, limits: Limits) -> None:
        self._backend = backend
        self._reader = reader
        self._limits = limits
        self._current: ServedModel | None = None
        self._changing = asyncio.Lock()

    @property
    def known(self) -> Description | None:
        """The description of the current model; None before it was asked for."""
        return None if self._current is None else self._current.description

    async def get(self) -> ServedModel:
        """Get the current model; asks the classifier the first time."""
        if self._current is not None:
            return self._current
        async with self._changing:
            if self._current is None:
                self._current = await self._build(await self._backend.describe())
            return self._current

    async def adopt(self, served: ServedModel, scored: Scored) -> Description:
        """Return the description of the revision that scored; makes a new one current."""
        if scored.description is None:
            return served.description
        async with self._changing:
            if self._current is None or self._current.description != scored.description:
                self._current = await self._build(scored.description)
        return scored.description

    async def _build(self, description: Description) -> ServedModel:
        """Warm up for one revision."""

        async def send(pixels: Pixels, timeout_s: float) -> Scored:
            group = Group(pixels, description.revision, description.geometry, timeout_s)
            return await self._backend.predict(group)

        await self._reader.warm_up(description.geometry)
        backend = self._backend
        coalescer = Coalescer(
            send,
            self._limits.batch_size,
            lambda: backend.count_classifiers() / backend.count_ingresses(),
        )
        return ServedModel(description, coalescer)
