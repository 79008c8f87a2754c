"""Connections to one server that are kept and used again."""

import asyncio

from app.client.connection import Address, Answer, Connection, connect

ANSWER_LIMIT_S = 60.0
"""Seconds until a request without an answer is given up."""

NO_CONNECTION, CUT_OFF, UNANSWERED = -1, 0, -2
"""In place of a status: the connection was refused, it broke before the answer, or there was none
within the patience after the last request of a schedule."""


class Pool:
    """Connections to one address, opened when none is free, at most ``limit`` of them.

    A request without an answer is given up after a limit of time. One that ``resends`` sends once
    more where a kept connection turns out to be closed.
    """

    def __init__(
        self,
        address: Address,
        limit: int,
        *,
        resends: bool = False,
        answer_limit_s: float = ANSWER_LIMIT_S,
    ) -> None:
        self._address = address
        self._slots = asyncio.Semaphore(limit)
        self._answer_limit_s = answer_limit_s
        self._free: list[Connection] = []
        self.resends = resends
        self.resent = 0

    @property
    def is_full(self) -> bool:
        """Whether the next request has to wait for a connection."""
        return self._slots.locked()

    async def ask(self, request: bytes) -> int:
        """Send the request and return the answer's status, NO_CONNECTION or CUT_OFF."""
        try:
            return (await self.send(request)).status
        except ConnectionRefusedError:
            return NO_CONNECTION
        except OSError:  # TimeoutError is one
            return CUT_OFF

    async def send(self, request: bytes) -> Answer:
        """Send the request and return its answer; a lost connection or a timeout is an OSError."""
        async with self._slots, asyncio.timeout(self._answer_limit_s):
            while self._free:
                if (connection := self._free.pop()).is_open:
                    try:
                        return await self._send_on(connection, request)
                    except ConnectionError:
                        if not self.resends:
                            raise
                        self.resent += 1
            return await self._send_on(await connect(self._address), request)

    def close(self) -> None:
        """Close every connection that is free."""
        while self._free:
            self._free.pop().close()

    async def _send_on(self, connection: Connection, request: bytes) -> Answer:
        """Send on this connection and keep it, unless it fails or closes."""
        is_kept = False
        try:
            answer = await connection.send(request)
            is_kept = connection.is_open
        finally:
            if is_kept:
                self._free.append(connection)
            else:
                connection.close()
        return answer
