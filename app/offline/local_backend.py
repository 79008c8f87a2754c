"""A Backend without Ray: the model runs in this process."""

import asyncio

from app.backend import Description, Group, Scored
from app.classifier.checkpoint.files import Checkpoint
from app.classifier.engines.selection import EngineOptions
from app.classifier.model import Model


class LocalBackend:
    """A Backend over a Model in this process, loaded on first use."""

    def __init__(self, checkpoint: Checkpoint, options: EngineOptions | None = None) -> None:
        self._checkpoint = checkpoint
        self._options = options
        self._model: Model | None = None
        self._lock = asyncio.Lock()

    async def describe(self) -> Description:
        """Describe the model; raises StartupError."""
        return (await self._load()).description

    async def predict(self, group: Group) -> Scored:
        """Score one group at a time."""
        model = await self._load()
        async with self._lock:
            return (await asyncio.to_thread(model.score, [group]))[0]

    async def check(self) -> None:
        """Run a blank image, after the current group."""
        model = await self._load()
        async with self._lock:
            await asyncio.to_thread(model.run_probe)

    def count_classifiers(self) -> int:
        """Count one, this process; what is not loaded yet loads on first use."""
        return 1

    def count_ingresses(self) -> int:
        """Count one, this process."""
        return 1

    async def _load(self) -> Model:
        """Load the model once."""
        async with self._lock:
            if self._model is None:
                self._model = await asyncio.to_thread(Model, self._checkpoint, self._options)
            return self._model
