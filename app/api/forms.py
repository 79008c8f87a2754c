"""Routes that take a form: its Content-Type is looked at before anything takes it apart."""

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.errors import InvalidRequestError

LONGEST = 500
"""Characters of a Content-Type; RFC 2046 gives a boundary 70. 100 kB take 0.2 s to parse."""

_CHARSET = re.compile(r"charset=([^;]*)")
_NOISE = str.maketrans("", "", ' \t"\\')
_UTF_8 = {"utf-8", "utf8"}


class FormRoute(APIRoute):
    """Refuses a form by its Content-Type, before the body is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the check before FastAPI's own work."""
        handle = super().get_route_handler()

        async def handle_form(request: Request) -> Response:
            check_content_type(request.headers.get("content-type", ""))
            return await handle(request)

        return handle_form


def check_content_type(value: str) -> None:
    """Refuse a Content-Type that is too long, or names another encoding than UTF-8.

    RFC 7578 knows no charset here, but Starlette looks it up, and Python keeps every name that it
    does not know for good (`encodings.search_function`): a client could fill the memory with names.

    Raises:
        InvalidRequestError: it is refused.
    """
    if len(value) > LONGEST:
        message = f"header Content-Type: has {len(value)} characters; at most {LONGEST} are read."
        raise InvalidRequestError(message)
    if not _UTF_8.issuperset(_CHARSET.findall(value.lower().translate(_NOISE))):
        raise InvalidRequestError("header Content-Type: a form is read as UTF-8; name no other.")
