"""Connections to hosts of the public internet, and to no others.

All addresses of a host must be public, not this machine's own and not denied, and the connection
goes to one of these very addresses.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import httpcore2

from app.errors import InvalidRequestError
from app.fetching.addresses import is_public, is_within
from app.fetching.host_rules import Network

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Finds the addresses of a host and port; raises OSError where it has none."""

ListOwn = Callable[[], list[Network]]
"""Lists this machine's own addresses; they come and go, so it is asked each time."""

CONNECT_S = 2.0
"""Seconds after which the next address of a host is tried, where it has one."""


class PublicBackend(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses alone.

    Args:
        denied: public addresses that are not asked either.
        resolve: finds a host's addresses.
        backend: opens connections to addresses.
        list_own: lists this machine's own.
    """

    def __init__(
        self,
        denied: tuple[Network, ...],
        resolve: Resolve,
        backend: httpcore2.AsyncNetworkBackend,
        list_own: ListOwn,
    ) -> None:
        self._denied = denied
        self._resolve = resolve
        self._backend = backend
        self._list_own = list_own

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first of a host's addresses that answers; all of them must be open."""
        addresses = await self._resolve(host, port)
        self._check(addresses)
        for address in addresses[:-1]:
            try:
                return await self._backend.connect_tcp(
                    address, port, CONNECT_S, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(
            addresses[-1], port, timeout, local_address, socket_options
        )

    def _check(self, addresses: list[str]) -> None:
        """Check all addresses of a host; raises InvalidRequestError."""
        own = self._list_own()
        if not addresses or not all(
            is_public(address) and not is_within(address, own) for address in addresses
        ):
            raise refuse_url("names a host that is not at a public address.")
        if any(is_within(address, self._denied) for address in addresses):
            raise refuse_url("names a host that this service does not ask.")


def refuse_url(message: str) -> InvalidRequestError:
    """Make the error for a URL; it tells nothing of what lies behind."""
    return InvalidRequestError(f"body url: {message}")
