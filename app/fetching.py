"""Images from elsewhere: what a client's URL names is fetched, where that is public and allowed.

A name is resolved once for each connection, all its addresses must be public, and the connection
goes to one of these very addresses, after a redirect too: a name whose address changes in between
(DNS rebinding) gains nothing. It knows nothing of the request that asks.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import httpcore2
from httpx2 import URL, InvalidURL

from app.addresses import is_public, resolve_host
from app.errors import InvalidRequestError, PayloadTooLargeError
from app.hosts import HostRules

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Finds the addresses of a host and port; raises OSError where it has none."""

FETCH_S = 10.0
"""Seconds in which the image must have come, redirects and all."""

REDIRECTS = 3
FETCHES = 8
"""Images that are fetched at once; more wait."""

_MOVED = {
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
}
_HEADERS: Mapping[bytes | str, bytes | str] = {
    "User-Agent": "vitrine",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
}


class Fetcher:
    """Fetches images.

    Args:
        rules: hosts that may be asked.
        max_bytes: largest image.
        resolve: finds a host's addresses.
        backend: opens connections to addresses.
    """

    def __init__(
        self,
        rules: HostRules,
        max_bytes: int,
        resolve: Resolve | None = None,
        backend: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        self._rules = rules
        self._max_bytes = max_bytes
        self._pool = httpcore2.AsyncConnectionPool(
            max_connections=FETCHES,
            max_keepalive_connections=0,
            network_backend=PublicBackend(
                resolve or resolve_host, backend or httpcore2.AnyIOBackend()
            ),
        )

    async def fetch(self, text: str) -> bytes:
        """Fetch what a URL names.

        Raises:
            InvalidRequestError: it may not be asked, or does not give it.
            PayloadTooLargeError: it has too many bytes.
        """
        try:
            async with asyncio.timeout(FETCH_S):
                return await self._follow(text)
        except (TimeoutError, httpcore2.TimeoutException) as exc:
            raise _refuse(f"did not give an image within {FETCH_S:.0f} s.") from exc
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError) as exc:
            raise _refuse("could not be fetched: its host does not answer.") from exc

    async def _follow(self, text: str) -> bytes:
        """Fetch, through redirects; each URL is checked anew."""
        url = self._check(text)
        for _ in range(1 + REDIRECTS):
            target = httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            )
            async with self._pool.stream("GET", target, headers=_HEADERS) as answer:
                if answer.status == HTTPStatus.OK:
                    return await self._read(answer)
                if answer.status not in _MOVED:
                    raise _refuse(f"was answered with status {answer.status}.")
                url = self._check(_find_location(url, answer))
        raise _refuse(f"redirects more than {REDIRECTS} times.")

    def _check(self, text: str | URL) -> URL:
        """Check a URL before its host is looked for; raises InvalidRequestError."""
        try:
            url = URL(text)
        except InvalidURL as exc:
            raise _refuse("is no URL.") from exc
        if url.scheme not in {"http", "https"} or not url.host:
            raise _refuse("must begin with https:// or http:// and name a host.")
        if url.userinfo:
            raise _refuse("must not hold a name and password.")
        if not self._rules.allow(url.host):
            raise _refuse("names a host that this service does not ask.")
        return url

    async def _read(self, answer: httpcore2.Response) -> bytes:
        """Read the image, within its limit."""
        data = bytearray()
        async for piece in answer.aiter_stream():
            data += piece
            if len(data) > self._max_bytes:
                message = f"body url: names more than {self._max_bytes} bytes."
                raise PayloadTooLargeError(message)
        return bytes(data)


class PublicBackend(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses alone."""

    def __init__(self, resolve: Resolve, backend: httpcore2.AsyncNetworkBackend) -> None:
        self._resolve = resolve
        self._backend = backend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first of a host's addresses that answers; all of them must be public."""
        addresses = await self._resolve(host, port)
        if not addresses or not all(is_public(address) for address in addresses):
            raise _refuse("names a host that is not at a public address.")
        for address in addresses[:-1]:
            try:
                return await self._backend.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except httpcore2.ConnectError:
                continue
        return await self._backend.connect_tcp(
            addresses[-1], port, timeout, local_address, socket_options
        )


def _find_location(url: URL, answer: httpcore2.Response) -> URL:
    """Find where an answer redirects to."""
    for name, value in answer.headers:
        if name.lower() == b"location":
            try:
                return url.join(value.decode("ascii"))
            except (InvalidURL, UnicodeDecodeError) as exc:
                raise _refuse("redirects to what is no URL.") from exc
    raise _refuse("redirects to nowhere.")


def _refuse(message: str) -> InvalidRequestError:
    """Make the error for a URL; it tells nothing of what lies behind."""
    return InvalidRequestError(f"body url: {message}")
