"""POST /predict/json: the image is base64 in a JSON document."""

import asyncio
import base64
import binascii
import re

from fastapi import APIRouter, Request, Response

from app.api.classify import ERRORS, Options, classify_image
from app.api.content import JsonRoute
from app.api.dependencies import Deadline
from app.errors import InvalidRequestError
from schemas import EncodedImage, PredictResponse

router = APIRouter(tags=["prediction"], route_class=JsonRoute)

PATH = "/predict/json"
LARGER = 1.4
"""Bytes of base64, with line breaks, for each byte of the image."""

SHORT = 1 << 16
"""Characters that are decoded on the event loop: that takes less than handing them on."""

_DATA_URI = re.compile(r"\s*data:[^,]{0,200};base64,", re.IGNORECASE)


@router.post(PATH, operation_id="predict_json", response_model=PredictResponse, responses=ERRORS)
async def predict_json(
    request: Request, body: EncodedImage, options: Options, deadline: Deadline
) -> Response:
    """Classify an image that is sent as base64, alone or in a data URI."""
    return await classify_image(request, await read_base64(body.image), options, deadline)


async def read_base64(text: str) -> bytes:
    """Decode base64 or a data URI of it, a long one in a thread; raises InvalidRequestError."""
    if len(text) <= SHORT:
        return decode_base64(text)
    return await asyncio.to_thread(decode_base64, text)


def decode_base64(text: str) -> bytes:
    """Decode base64 (RFC 4648), or a data URI of it (RFC 2397); line breaks may be in it.

    Raises:
        InvalidRequestError: it is something else.
    """
    if prefix := _DATA_URI.match(text):
        text = text[prefix.end() :]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        message = f"body image: is no base64, nor a data URI of it: {exc}."
        raise InvalidRequestError(message) from exc
