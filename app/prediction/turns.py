"""Many images of one request: as many at once in the core as a batch has, each in its turn."""

import asyncio
from collections.abc import Awaitable, Callable

from app.prediction.answer import Classified
from app.prediction.predictor import Predictor
from schemas import PredictOptions

Read = Callable[[], Awaitable[bytes]]
"""Reads one image of the request when it is its turn; raises ProblemError."""


class Turns:
    """Classifies the images of one request.

    Args:
        predictor: the core.
        options: of every image.
        deadline: time of the event loop until which; later images get that problem.
    """

    def __init__(self, predictor: Predictor, options: PredictOptions, deadline: float) -> None:
        self._predictor = predictor
        self._options = options
        self._deadline = deadline
        limits = predictor.limits
        self._places = asyncio.Semaphore(min(limits.batch_size, limits.max_queue))

    async def classify(self, read: Read) -> Classified:
        """Read and classify one image when there is a place; raises ProblemError."""
        async with self._places:
            return await self._predictor.classify(await read(), self._options, self._deadline)
