"""Many images in one request: each gets its predictions, or its problem."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Send

from app.api.http.problems import describe_problem
from app.api.http.request_context import get_context
from app.errors import InvalidRequestError, ProblemError
from app.prediction.bulk import Outcome, Read, classify_each
from schemas import BulkItem, BulkResponse, PredictOptions

NDJSON = "application/x-ndjson"


async def answer_bulk(request: Request, reads: Sequence[Read], options: PredictOptions) -> Response:
    """Classify the images of one request.

    Answers a `BulkResponse`, or `BulkItem`s as they finish where the client accepts NDJSON.

    Raises:
        InvalidRequestError: there are too many of them, or none.
    """
    context = get_context(request)
    predictor = context.services.predictor
    max_bulk = predictor.limits.max_bulk
    if not 1 <= len(reads) <= max_bulk:
        message = f"body: {len(reads)} images; send 1 to {max_bulk} in one request."
        raise InvalidRequestError(message)
    outcomes = classify_each(predictor, reads, options, context.deadline)
    if _accepts_stream(request.headers.get("accept", "")):
        return NdjsonResponse(outcomes)
    async with aclosing(outcomes):
        items = [_build_item(*outcome) async for outcome in outcomes]
    items.sort(key=lambda item: item.index)
    body = BulkResponse(results=items).model_dump_json()
    return Response(body, media_type="application/json")


def _accepts_stream(accept: str) -> bool:
    """Tell whether the client asks for items as they finish."""
    return any(part.partition(";")[0].strip() == NDJSON for part in accept.lower().split(","))


class NdjsonResponse(StreamingResponse):
    """A line for each image as it finishes; when the client disconnects, the others are cancelled.

    Starlette leaves that to the garbage collector where a line is just being sent.
    """

    def __init__(self, outcomes: AsyncGenerator[tuple[int, Outcome]]) -> None:
        lines = (_build_item(*outcome).model_dump_json() + "\n" async for outcome in outcomes)
        super().__init__(lines, media_type=NDJSON)
        self._outcomes = outcomes

    async def stream_response(self, send: Send) -> None:
        """Send the lines."""
        async with aclosing(self._outcomes):
            await super().stream_response(send)


def _build_item(index: int, outcome: Outcome) -> BulkItem:
    """Build the item of one image."""
    if isinstance(outcome, ProblemError):
        return BulkItem(index=index, problem=describe_problem(outcome))
    return BulkItem(index=index, result=outcome.response)
