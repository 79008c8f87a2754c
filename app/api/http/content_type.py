"""Routes that take a body: they check its Content-Type before the body is parsed."""

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.errors import InvalidRequestError, UnsupportedMediaTypeError

MAX_LENGTH = 500
"""Characters of a Content-Type; RFC 2046 gives a boundary 70. 100 kB take 0.2 s to parse."""

_CHARSET = re.compile(r"charset=([^;]*)")
_NOISE = str.maketrans("", "", ' \t"\\')
_UTF_8 = {"utf-8", "utf8"}
JSON = "application/json"
BINARY = "application/octet-stream"
_RAW = {"", BINARY, "application/x-www-form-urlencoded"}
"""The last is what curl says of any `--data-binary`."""


def check_form(value: str) -> None:
    """Refuse a Content-Type that is too long, or names another encoding than UTF-8.

    RFC 7578 knows no charset here, but Starlette looks it up, and Python keeps every name that it
    does not know for good (`encodings.search_function`): a client could fill the memory with names.

    Raises:
        InvalidRequestError: it is refused.
    """
    if len(value) > MAX_LENGTH:
        message = (
            f"header Content-Type: has {len(value)} characters; at most {MAX_LENGTH} are read."
        )
        raise InvalidRequestError(message)
    if not _UTF_8.issuperset(_CHARSET.findall(value.lower().translate(_NOISE))):
        raise InvalidRequestError("header Content-Type: a form is read as UTF-8; name no other.")


def check_raw(value: str) -> None:
    """Refuse a Content-Type that says that the body is no image; raises a ProblemError."""
    name = read_name(value)
    if name not in _RAW and not name.startswith("image/"):
        message = "header Content-Type: must be image/* or application/octet-stream here."
        raise UnsupportedMediaTypeError(message)


def check_json(value: str) -> None:
    """Refuse a Content-Type other than JSON's; raises a ProblemError."""
    if read_name(value) != JSON:
        raise UnsupportedMediaTypeError(f"header Content-Type: must be {JSON} here.")


def check_inference(value: str) -> None:
    """Refuse a Content-Type of neither JSON nor bytes; Triton's client sends none at all."""
    if read_name(value) not in {"", JSON, BINARY}:
        message = f"header Content-Type: must be {JSON} here, or {BINARY} with binary data."
        raise UnsupportedMediaTypeError(message)


def read_name(value: str) -> str:
    """Read the name of a Content-Type, without its parameters."""
    return value.partition(";")[0].strip().lower()


def _make_route(check: Callable[[str], None]) -> type[APIRoute]:
    """Make a kind of route that checks the Content-Type before the body is read."""

    class BodyRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """Check before FastAPI reads the body."""
            handle = super().get_route_handler()

            async def handle_body(request: Request) -> Response:
                check(request.headers.get("content-type", ""))
                return await handle(request)

            return handle_body

    return BodyRoute


FormRoute = _make_route(check_form)
RawRoute = _make_route(check_raw)
JsonRoute = _make_route(check_json)
InferenceRoute = _make_route(check_inference)
