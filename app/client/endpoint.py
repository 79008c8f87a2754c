"""A service by its URL: where it is, the key that it wants, and what is said when it fails."""

import re
import socket
import ssl
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from app.client.connection import Address
from app.errors import ServiceError
from app.network import format_address

CONNECT_TIMEOUT_S = 5.0

_DEFAULT_PORTS = {"http": 80, "https": 443}
_KEY = re.compile(r"[!-~]+")
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~-._"


@dataclass(frozen=True)
class Endpoint:
    """Where requests go.

    Attributes:
        url: of it, without the key.
        host: name or address in the URL.
        port: of the server.
        path: with its query.
        is_tls: whether it is https.
        key: of the service; None for none.
    """

    url: str
    host: str
    port: int
    path: str
    is_tls: bool
    key: str | None = field(repr=False)

    @property
    def netloc(self) -> str:
        """The value of the header `Host`."""
        return format_address(self.host, self.port)

    @property
    def headers(self) -> tuple[str, ...]:
        """The header with the key, if there is one."""
        return (f"X-API-Key: {self.key}",) if self.key else ()


def read_endpoint(url: str, path: str, key: str | None = None) -> Endpoint:
    """Read the URL of a service; `path` is taken where the URL has none.

    Raises:
        ServiceError: it is no URL of HTTP, or the key cannot be sent.
    """
    if key is not None and not _KEY.fullmatch(key):
        raise ServiceError("The key has characters that no key has, or none. Is it in quotes?")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
    except ValueError as exc:  # UnicodeError is one
        raise ServiceError(f"{url!r} is no URL: {exc}.") from exc
    if parts.scheme not in _DEFAULT_PORTS or not host or not url.isprintable() or " " in url:
        raise ServiceError(f"{url!r} is no URL of a service: give one as http://127.0.0.1:8000.")
    if parts.username or parts.password:
        raise ServiceError("A URL with a user or a password is not taken. Give a key instead.")
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    own = parts.path if parts.path.strip("/") else path
    query = f"?{quote(parts.query, safe=_PATH_CHARACTERS + '?')}" if parts.query else ""
    target = quote(own, safe=_PATH_CHARACTERS) + query
    shown = f"{parts.scheme}://{format_address(host, port)}{target}"
    return Endpoint(shown, host, port, target, parts.scheme == "https", key)


def make_tls() -> ssl.SSLContext:
    """Make the context that checks certificates by the system's CAs, or SSL_CERT_FILE's."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def locate(endpoint: Endpoint) -> Address:
    """Connect once, and return the address that has answered: names are not looked up again.

    Raises:
        ServiceError: nothing listens there, or its certificate is not trusted.
    """
    tls = make_tls() if endpoint.is_tls else None
    name = endpoint.host if tls else None
    try:
        place = (endpoint.host, endpoint.port)
        with socket.create_connection(place, timeout=CONNECT_TIMEOUT_S) as plain:
            host = str(plain.getpeername()[0])
            if tls:
                tls.wrap_socket(plain, server_hostname=name).close()
    except OSError as exc:
        raise ServiceError(f"{endpoint.url}: {describe_failure(exc)}") from exc
    return Address(endpoint.port, host, tls, name)


def describe_failure(error: OSError) -> str:
    """Describe why there is no connection, or no answer."""
    match error:
        case ssl.SSLCertVerificationError():
            text = f"its certificate is not trusted: {error.verify_message}"
            return f"{text}. SSL_CERT_FILE may name a file with its CA."
        case ssl.SSLError():
            return "it does not speak TLS as https needs it. Is it http?"
        case socket.gaierror():
            return "the name of its host is not known."
        case ConnectionRefusedError():
            return "nothing listens there. Has the service been started?"
        case TimeoutError():
            return "there is no answer in time."
        case _:
            return f"{str(error.strerror or error).rstrip('.')}."
