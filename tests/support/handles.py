"""Serve handles that need no Serve: each call has the outcome that the test gave."""

import asyncio
from collections.abc import Generator
from typing import Any

from ray.exceptions import ActorDiedError, RayTaskError

from app.errors import DeadlineExceededError, ModelUnavailableError


def wrap(cause: Exception) -> Exception:
    """Wrap an error of a replica as Ray does."""
    error: Exception = RayTaskError("predict", "SECRET traceback", cause)
    return error


GONE = ActorDiedError()
DEVICE = wrap(ModelUnavailableError("the device"))
LATE = wrap(DeadlineExceededError("too late"))
DEFECT = wrap(ZeroDivisionError("SECRET"))
SLOW = object()


class Response:
    """Serve's response to a call."""

    def __init__(self, outcome: object) -> None:
        self._outcome = outcome
        self.is_cancelled = False

    def __await__(self) -> Generator[Any, None, object]:
        """Wait for the outcome."""
        return self._answer().__await__()

    async def _answer(self) -> object:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        await asyncio.sleep(60 if self._outcome is SLOW else 0)
        return self._outcome

    def cancel(self) -> None:
        """Cancel the call."""
        self.is_cancelled = True


class Handle:
    """A Serve handle each of whose calls has the next outcome."""

    def __init__(self, *outcomes: object) -> None:
        self._outcomes = list(outcomes)
        self.responses: list[Response] = []
        self.predict = self.describe = self.check = self.explain = self

    def remote(self, *_: object) -> Response:
        """Call."""
        self.responses.append(Response(self._outcomes.pop(0)))
        return self.responses[-1]
