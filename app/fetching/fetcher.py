"""Images from elsewhere: what a client's URL names is fetched, where that is public and allowed.

A name is resolved once for each connection, all its addresses must be public, and the connection
goes to one of these very addresses, after a redirect too: a name whose address changes in between
(DNS rebinding) gains nothing. It knows nothing of the request that asks.
"""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus

import httpcore2
from httpx2 import URL, InvalidURL

from app.errors import PayloadTooLargeError
from app.fetching.addresses import Resolver, list_own
from app.fetching.host_rules import HostRules
from app.fetching.public_network import ListOwn, PublicBackend, Resolve, refuse_url

Hold = Callable[[int], None]
"""Takes room for bytes that have come; raises ProblemError where there is none."""

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
_PORTS = {None, 80, 443}
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
        list_own: lists this machine's own addresses.
    """

    def __init__(
        self,
        rules: HostRules,
        max_bytes: int,
        resolve: Resolve | None = None,
        backend: httpcore2.AsyncNetworkBackend | None = None,
        list_own: ListOwn = list_own,
    ) -> None:
        self._rules = rules
        self._max_bytes = max_bytes
        self._places = asyncio.Semaphore(FETCHES)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpcore2.default_ssl_context(),
            max_connections=FETCHES,
            max_keepalive_connections=0,
            network_backend=PublicBackend(
                rules.networks,
                resolve or Resolver(FETCHES),
                backend or httpcore2.AnyIOBackend(),
                list_own,
            ),
        )

    async def fetch(self, text: str, hold: Hold) -> bytes:
        """Fetch what a URL names; each piece takes its room as it comes.

        Raises:
            InvalidRequestError: it may not be asked, or does not give it.
            PayloadTooLargeError: it has too many bytes.
            ProblemError: there is no room for it; what `hold` raises.
        """
        try:
            async with self._places, asyncio.timeout(FETCH_S):
                return await self._follow(text, hold)
        except (TimeoutError, httpcore2.TimeoutException) as exc:
            raise refuse_url(f"did not give an image within {FETCH_S:.0f} s.") from exc
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError, UnicodeError) as exc:
            raise refuse_url("could not be fetched: its host does not answer.") from exc

    async def _follow(self, text: str, hold: Hold) -> bytes:
        """Fetch, through redirects; each URL is checked anew."""
        url = self._check(text)
        for _ in range(1 + REDIRECTS):
            target = httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            )
            async with self._pool.stream("GET", target, headers=_HEADERS) as answer:
                if answer.status == HTTPStatus.OK:
                    return await self._read(answer, hold)
                if answer.status not in _MOVED:
                    raise refuse_url(f"was answered with status {answer.status}.")
                url = self._check(_find_location(url, answer))
        raise refuse_url(f"redirects more than {REDIRECTS} times.")

    def _check(self, text: str | URL) -> URL:
        """Check a URL before its host is looked for; raises InvalidRequestError."""
        try:
            url = URL(text)
        except InvalidURL as exc:
            raise refuse_url("is no URL.") from exc
        if url.scheme not in {"http", "https"} or not url.host:
            raise refuse_url("must begin with https:// or http:// and name a host.")
        if url.userinfo:
            raise refuse_url("must not hold a name and password.")
        if url.port not in _PORTS:
            raise refuse_url("must not name another port than 80 or 443.")
        if not self._rules.allow(url.raw_host.decode("ascii")):
            raise refuse_url("names a host that this service does not ask.")
        return url

    async def _read(self, answer: httpcore2.Response, hold: Hold) -> bytes:
        """Read the image, within its limit."""
        data = bytearray()
        async for piece in answer.aiter_stream():
            if len(data) + len(piece) > self._max_bytes:
                raise PayloadTooLargeError(f"body url: names more than {self._max_bytes} bytes.")
            hold(len(piece))
            data += piece
        return bytes(data)


def _find_location(url: URL, answer: httpcore2.Response) -> URL:
    """Find where an answer redirects to."""
    for name, value in answer.headers:
        if name.lower() == b"location":
            try:
                return url.join(value.decode("ascii"))
            except (InvalidURL, UnicodeDecodeError) as exc:
                raise refuse_url("redirects to what is no URL.") from exc
    raise refuse_url("redirects to nowhere.")
