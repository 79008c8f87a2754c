"""HTTP clients that begin at once: httpx's own read the certificates of the system, in 20 ms each.

Services that are tested speak no TLS.
"""

import ssl
from typing import Any

import httpx

_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def open_client(**options: Any) -> httpx.Client:  # noqa: ANN401 - those of httpx
    """Open a client; options as of `httpx.Client`."""
    return httpx.Client(verify=_NO_CERTIFICATES, timeout=60, **options)


def get(url: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - those of httpx
    """Ask once, on a connection of its own; options as of `httpx.get`."""
    with open_client() as client:
        return client.get(url, **options)
