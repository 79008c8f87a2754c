"""The authenticator: checks the API key of a call, by any API."""

from collections.abc import Mapping

from app.auth.keys import Key, find_key
from app.errors import UnauthorizedError

API_KEY = "X-API-Key"


class Authenticator:
    """Authenticates calls by `keys`; without keys, every call is accepted."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys

    @property
    def needs_key(self) -> bool:
        """Whether a call needs a key."""
        return bool(self._keys)

    def authenticate(self, headers: Mapping[str, str]) -> str | None:
        """Return the name of a call's key; None if none is required.

        Args:
            headers: of HTTP, or gRPC metadata, with lower-case names.

        Raises:
            UnauthorizedError: the key is missing or wrong.
        """
        if not self._keys:
            return None
        given = _read_key(headers)
        if given is None:
            message = f"Send a key, as `Authorization: Bearer KEY` or `{API_KEY}: KEY`."
            raise UnauthorizedError(message)
        key = find_key(self._keys, given)
        if key is None:
            raise UnauthorizedError("The key is not one of this service's.")
        return key.name


def _read_key(headers: Mapping[str, str]) -> str | None:
    """Read a call's key; X-API-Key takes precedence over Authorization."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    return headers.get(API_KEY.lower(), bearer) or None
