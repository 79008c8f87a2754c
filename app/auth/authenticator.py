"""Who may come in, by whatever door: a call brings a key where the service has keys."""

from collections.abc import Mapping

from app.auth.keys import Key, find_key
from app.errors import UnauthorizedError

API_KEY = "X-API-Key"


class Authenticator:
    """Lets a call in when it brings one of the keys; without keys it lets in everybody."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys

    def admit(self, headers: Mapping[str, str]) -> str | None:
        """Tell the name of a call's key; None where none is needed.

        Args:
            headers: of HTTP, or a gRPC call's metadata; names in small letters are found.

        Raises:
            UnauthorizedError: it brings no key, or a wrong one.
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
    """Read the key that a call brings; X-API-Key counts where both are sent."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    return headers.get(API_KEY.lower(), bearer) or None
