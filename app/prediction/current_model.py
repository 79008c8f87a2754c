"""The model that an ingress replica knows, and the change to another revision of it.

An ingress holds no checkpoint. It asks the classifier for its description once; a result that
another revision scored brings that revision's description along.
"""

import asyncio
import contextlib
import math
import time
from dataclasses import dataclass

from app.backend import Backend, Description, Group, Pixels, Scored
from app.errors import ModelUnavailableError
from app.images.reader import Reader
from app.limits import Limits
from app.prediction.coalescer import Coalescer

MAX_AGE_S = 4.0
"""Seconds for which a description counts, after the classifier gave or confirmed it."""

CONFIRM_S = 1.0
"""Seconds that the classifier has to confirm it."""


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
        self._confirmed = -math.inf
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
                self._confirmed = time.monotonic()
            return self._current

    async def adopt(self, served: ServedModel, scored: Scored) -> Description:
        """Return the description of the revision that scored; makes a new one current."""
        self._confirmed = time.monotonic()
        if scored.description is None:
            return served.description
        await self._replace(scored.description)
        return scored.description

    async def confirm(self) -> Description:
        """Return the current description; asks the classifier unless it has confirmed it of late.

        An ingress that started in a rolling update may have asked an old replica, and without an
        image nothing would tell it of the new ones. Where none answers, it stays.
        """
        served = await self.get()
        if time.monotonic() - self._confirmed <= MAX_AGE_S:
            return served.description
        with contextlib.suppress(ModelUnavailableError, TimeoutError):
            async with asyncio.timeout(CONFIRM_S):
                await self._replace(await self._backend.describe())
            self._confirmed = time.monotonic()
        return (await self.get()).description

    async def _replace(self, description: Description) -> None:
        """Make a description the current one."""
        async with self._changing:
            if self._current is None or self._current.description != description:
                self._current = await self._build(description)

    async def _build(self, description: Description) -> ServedModel:
        """Warm up for one revision."""

        async def send(pixels: Pixels, timeout_s: float, traceparents: tuple[str, ...]) -> Scored:
            group = Group(
                pixels,
                description.revision,
                description.geometry,
                timeout_s,
                traceparents=traceparents,
                temperature=description.temperature,
            )
            return await self._backend.predict(group)

        await self._reader.warm_up(description.geometry)
        backend = self._backend
        coalescer = Coalescer(
            send,
            self._limits.batch_size,
            lambda: backend.count_classifiers() / backend.count_ingresses(),
        )
        return ServedModel(description, coalescer)
