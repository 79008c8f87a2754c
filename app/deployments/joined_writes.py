"""The head of an HTTP answer is written together with the first part of its body.

uvicorn (0.54) writes them one after the other and has no setting for that. Each write is a system
call, and wakes HAProxy.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http import httptools_impl


class _JoiningTransport:
    """A transport that keeps the head of an answer until the first part of its body comes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def write(self, part: bytes) -> None:
        """Write a part, and the head before the first one."""
        if self._head is None:
            self._head = part
            return
        head, self._head = self._head, b""
        self._transport.write(head + part)

    def close(self) -> None:
        """Close, as where a body fails before it begins; HAProxy would send that request again."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a transport has
        return getattr(self._transport, name)


class JoiningCycle(httptools_impl.RequestResponseCycle):
    """uvicorn's one request and its answer, which has a body unless it is to HEAD."""

    async def send(self, message: Any) -> None:  # noqa: ANN401 - of uvicorn's private type
        """Send a message of the answer."""
        if message["type"] == "http.response.start" and self.scope["method"] != "HEAD":
            self.transport = cast("asyncio.Transport", _JoiningTransport(self.transport))
        await super().send(message)


def join_writes() -> None:
    """Answer so in this process from now on."""
    httptools_impl.RequestResponseCycle = JoiningCycle  # type: ignore[misc]
