"""Connections to hosts on the public internet only.

All addresses of a host must be public, not denied and not this machine's own.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpcore2

from app.errors import InvalidRequestError
from app.fetching.addresses import is_public, is_within
from app.fetching.host_rules import Network

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Finds the addresses of a host and port; raises OSError if it has none."""

ListOwn = Callable[[], list[Network]]
"""Lists this machine's own addresses; they may change, so it is called for each connection."""

CONNECT_TIMEOUT_S = 2.0
"""Seconds after which the next address of a host is tried, if there is one."""


@dataclass(frozen=True)
class PublicBackend(httpcore2.AsyncNetworkBackend):
    """Opens connections to public addresses through `backend`; `denied` are excluded, too."""

    denied: tuple[Network, ...]
    resolve: Resolve
    backend: httpcore2.AsyncNetworkBackend
    list_own: ListOwn

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first of a host's addresses that accepts; all are checked before."""
        addresses = await self.resolve(host, port)
        self._check(addresses)
        for address in addresses[:-1]:
            try:
                return await self.backend.connect_tcp(
                    address, port, CONNECT_TIMEOUT_S, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self.backend.connect_tcp(
            addresses[-1], port, timeout, local_address, socket_options
        )

    def _check(self, addresses: list[str]) -> None:
        """Check all addresses of a host; raises InvalidRequestError."""
        own = self.list_own()
        if not addresses or not all(
            is_public(address) and not is_within(address, own) for address in addresses
        ):
            raise refuse_url("names a host that is not at a public address.")
        if any(is_within(address, self.denied) for address in addresses):
            raise refuse_url("names a host that this service does not fetch from.")


def refuse_url(message: str) -> InvalidRequestError:
    """Make the error for a URL; it reveals nothing about the network behind it."""
    return InvalidRequestError(f"body url: {message}")
