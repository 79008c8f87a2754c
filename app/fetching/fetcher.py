"""The fetcher: downloads the image of a client's URL from a public, permitted host.

`PublicBackend` resolves the host once per connection, after a redirect too, and connects to the
addresses that it checked: DNS rebinding has no effect.
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
"""Reserves capacity for received bytes; raises ProblemError."""

FETCH_TIMEOUT_S = 10.0
"""Seconds for one image, with its redirects."""

MAX_REDIRECTS = 3
FETCHES = 8
"""Images that are fetched at once; more wait."""

_REDIRECTS = {
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
        rules: hosts that may be fetched from.
        max_bytes: maximum size of an image.
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
        self._slots = asyncio.Semaphore(FETCHES)
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
        """Fetch the image of a URL; calls `hold` for each received piece.

        Raises:
            InvalidRequestError: the URL is not permitted, or the host does not return an image.
            PayloadTooLargeError: the image has too many bytes.
            ProblemError: as `hold`.
        """
        try:
            async with self._slots, asyncio.timeout(FETCH_TIMEOUT_S):
                return await self._follow(text, hold)
        except (TimeoutError, httpcore2.TimeoutException) as exc:
            raise refuse_url(f"did not give an image within {FETCH_TIMEOUT_S:.0f} s.") from exc
        except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError, UnicodeError) as exc:
            raise refuse_url("could not be fetched: its host does not answer.") from exc

    async def _follow(self, text: str, hold: Hold) -> bytes:
        """Fetch and follow redirects; every URL is checked."""
        url = self._check(text)
        for _ in range(1 + MAX_REDIRECTS):
            target = httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            )
            async with self._pool.stream("GET", target, headers=_HEADERS) as answer:
                if answer.status == HTTPStatus.OK:
                    return await self._read(answer, hold)
                if answer.status not in _REDIRECTS:
                    raise refuse_url(f"was answered with status {answer.status}.")
                url = self._check(_find_location(url, answer))
        raise refuse_url(f"redirects more than {MAX_REDIRECTS} times.")

    def _check(self, text: str | URL) -> URL:
        """Check a URL before its host is resolved; raises InvalidRequestError."""
        try:
            url = URL(text)
        except InvalidURL as exc:
            raise refuse_url("is not a URL.") from exc
        if url.scheme not in {"http", "https"} or not url.host:
            raise refuse_url("must begin with https:// or http:// and name a host.")
        if url.userinfo:
            raise refuse_url("must not hold a name and password.")
        if url.port not in _PORTS:
            raise refuse_url("must not name another port than 80 or 443.")
        if not self._rules.allow(url.raw_host.decode("ascii")):
            raise refuse_url("names a host that this service does not fetch from.")
        return url

    async def _read(self, answer: httpcore2.Response, hold: Hold) -> bytes:
        """Read the image, up to `max_bytes`."""
        data = bytearray()
        async for piece in answer.aiter_stream():
            if len(data) + len(piece) > self._max_bytes:
                raise PayloadTooLargeError(f"body url: names more than {self._max_bytes} bytes.")
            hold(len(piece))
            data += piece
        return bytes(data)


def _find_location(url: URL, answer: httpcore2.Response) -> URL:
    """Find the target of a redirect."""
    for name, value in answer.headers:
        if name.lower() == b"location":
            try:
                return url.join(value.decode("ascii"))
            except (InvalidURL, UnicodeDecodeError) as exc:
                raise refuse_url("redirects to what is not a URL.") from exc
    raise refuse_url("redirects to nowhere.")
