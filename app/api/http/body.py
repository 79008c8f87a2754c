"""A request's body as it comes in."""

import asyncio
import contextlib
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from app.api.http.problems import summarize
from app.errors import InvalidRequestError, OverloadedError, PayloadTooLargeError
from app.prediction.admission import Admission

Document = TypeVar("Document", bound=BaseModel)

MAX_DRAINED_BYTES = 1 << 20
"""Bytes of a body that is read and dropped in a full house, so that its connection serves on."""

DRAIN_TIMEOUT_S = 1.0
"""Seconds that it gets to come; HAProxy has mostly read a small one already."""


class Body:
    """A body as it comes in: within its size, the house's space and the request's time."""

    def __init__(self, admission: Admission, max_body: int, deadline: float) -> None:
        self._deadline = deadline
        self._admission = admission
        self._max_body = max_body
        self._held = 0
        self._is_whole = False

    def limit(self, receive: Receive) -> Receive:
        """Refuse to receive what does not fit, by Starlette's errors: FastAPI lets them through."""

        async def limited() -> Message:
            if self._is_whole:
                return await receive()  # whether the client goes
            try:
                async with asyncio.timeout_at(self._deadline):
                    message = await receive()
                self.hold(len(message.get("body", b"")))
            except TimeoutError as exc:
                raise HTTPException(HTTPStatus.GATEWAY_TIMEOUT) from exc
            except (PayloadTooLargeError, OverloadedError) as exc:
                raise HTTPException(exc.status) from exc
            self._is_whole = not message.get("more_body", False)
            return message

        return limited

    def free(self) -> None:
        """Give back the space that it took."""
        self._admission.free_bytes(self._held)

    def hold(self, length: int) -> None:
        """Count what has come, or was fetched.

        Raises:
            PayloadTooLargeError: all together is too much for one request.
            OverloadedError: the house has no room for it.
        """
        if not length:
            return
        if self._held + length > self._max_body:
            message = f"All together has more than the {self._max_body} bytes that are read."
            raise PayloadTooLargeError(message)
        self._admission.hold_bytes(length)
        self._held += length


async def read_body(request: Request) -> bytes:
    """Read a whole body; raises InvalidRequestError where its client hangs up."""
    try:
        return await request.body()
    except ClientDisconnect as exc:
        raise InvalidRequestError("The body has ended early.") from exc


def parse_json_body(model: type[Document], body: bytes) -> Document:
    """Parse a JSON document that a route reads itself; raises InvalidRequestError."""
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        errors = [{**error, "loc": ("body", *error["loc"])} for error in exc.errors()]
        raise InvalidRequestError(summarize(errors)) from exc


async def drain_body(headers: Headers, receive: Receive) -> bool:
    """Read a short body and drop it; False where its connection has to be closed instead."""
    if read_length(headers) > MAX_DRAINED_BYTES or {"transfer-encoding", "expect"} & set(headers):
        return False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while (await receive()).get("more_body"):
                pass
            return True
    return False


def read_length(headers: Headers) -> int:
    """Read how many bytes of a body are announced; 0 when none are."""
    announced = headers.get("content-length", "")
    return int(announced) if announced.isdecimal() else 0


def has_body(headers: Headers) -> bool:
    """Tell whether a body comes."""
    return read_length(headers) > 0 or "transfer-encoding" in headers
