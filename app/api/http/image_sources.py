"""Images of JSON bodies: base64 is decoded, a URL is fetched where the service does that."""

import asyncio
import binascii
import re

from fastapi import Request

from app.api.http.request_context import get_context
from app.errors import DeadlineExceededError, InvalidRequestError
from app.fetching.fetcher import FETCHES
from schemas import ImageSource

BASE64_OVERHEAD = 1.4
"""Bytes of base64, with line breaks, for each byte of the image."""

SHORT = 1 << 16
"""Characters that are decoded on the event loop: a thread would take longer."""

PIECE = 1 << 18
"""Characters that are decoded at a time, while other threads wait."""

SHARE = FETCHES // 2
"""Images that are fetched at once for one request, so that slow hosts leave room for others."""

_DATA_URI = re.compile(r"\s*data:[^,]{0,200};base64,", re.IGNORECASE)


class SourceReader:
    """Reads the images that one request names; raises ProblemError."""

    def __init__(self, request: Request) -> None:
        self._context = get_context(request)
        self._fetches = asyncio.Semaphore(SHARE)

    async def read(self, source: ImageSource) -> bytes:
        """Read the image that a source names."""
        if source.url is not None:
            return await self._fetch(source.url)
        return await read_base64(source.image or "", "image")

    async def _fetch(self, url: str) -> bytes:
        """Fetch an image; its bytes count as the request's own."""
        context, fetcher = self._context, self._context.services.fetcher
        if fetcher is None:
            message = "body url: this service fetches nothing (VITRINE_ALLOW_URLS). Send `image`."
            raise InvalidRequestError(message)
        try:
            async with asyncio.timeout_at(context.deadline), self._fetches:
                return await fetcher.fetch(url, context.hold)
        except TimeoutError as exc:
            raise DeadlineExceededError("The image was not fetched in time.") from exc


async def read_base64(text: str, field: str) -> bytes:
    """Decode base64 of a field of the body, a long one in a thread; raises InvalidRequestError."""
    if len(text) <= SHORT:
        return decode_base64(text, field)
    return await asyncio.to_thread(decode_base64, text, field)


def decode_base64(text: str, field: str) -> bytes:
    """Decode base64 (RFC 4648), or a data URI of it (RFC 2397); line breaks may be in it.

    Raises:
        InvalidRequestError: it is something else.
    """
    if prefix := _DATA_URI.match(text):
        text = text[prefix.end() :]
    try:
        encoded = text.encode("ascii").translate(None, b" \t\r\n")
        pieces = (encoded[start : start + PIECE] for start in range(0, len(encoded), PIECE))
        data = b"".join(binascii.a2b_base64(piece, strict_mode=True) for piece in pieces)
    except ValueError as exc:
        raise _refuse(field, str(exc)) from exc
    if b"=" in encoded[:-2]:  # at the end of a piece
        raise _refuse(field, "padding before its end")
    return data


def _refuse(field: str, reason: str) -> InvalidRequestError:
    """Make the error for a field that is no base64."""
    return InvalidRequestError(f"body {field}: is no base64, nor a data URI of it: {reason}.")
