"""Routes that take a body: they check its Content-Type before the body is parsed."""

import re
from collections.abc import Callable, Coroutine, Sequence
from fnmatch import fnmatchcase
from functools import partial
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
_RAW = ("", "image/*", BINARY, "application/x-www-form-urlencoded")
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


def _check_name(allowed: Sequence[str], told: str, value: str) -> None:
    """Refuse a Content-Type that fits no pattern of `allowed`; raises UnsupportedMediaTypeError."""
    name = read_name(value)
    if not any(fnmatchcase(name, pattern) for pattern in allowed):
        raise UnsupportedMediaTypeError(f"header Content-Type: must be {told}.")


check_raw = partial(_check_name, _RAW, f"image/* or {BINARY} here")
_check_json = partial(_check_name, (JSON,), f"{JSON} here")
_check_inference = partial(
    _check_name,
    ("", JSON, BINARY),  # Triton's client sends none
    f"{JSON} here, or {BINARY} with binary data",
)


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
JsonRoute = _make_route(_check_json)
InferenceRoute = _make_route(_check_inference)
