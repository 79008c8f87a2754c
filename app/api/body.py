"""A request's body as it comes in."""

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from app.errors import OverloadedError
from app.prediction.admission import Admission


class Body:
    """A body as it comes in: within its size, the house's space and the request's time.

    What it raises is of Starlette's kind, which FastAPI lets through.
    """

    def __init__(self, admission: Admission, max_body: int, deadline: float) -> None:
        self._deadline = deadline
        self._admission = admission
        self._max_body = max_body
        self._held = 0

    def limit(self, receive: Receive) -> Receive:
        """Refuse to receive what does not fit."""

        async def limited() -> Message:
            try:
                async with asyncio.timeout_at(self._deadline):
                    message = await receive()
                self._hold(len(message.get("body", b"")))
            except TimeoutError as exc:
                raise HTTPException(HTTPStatus.GATEWAY_TIMEOUT) from exc
            except OverloadedError as exc:
                raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE) from exc
            return message

        return limited

    def free(self) -> None:
        """Give back the space that it took."""
        self._admission.free_bytes(self._held)

    def _hold(self, length: int) -> None:
        """Count what has come."""
        if not length:
            return
        if self._held + length > self._max_body:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._admission.hold_bytes(length)
        self._held += length
