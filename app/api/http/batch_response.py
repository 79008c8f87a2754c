"""Many images in one request: each gets its predictions or its problem, whatever the others do."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Send

from app.api.http.dependencies import get_predictor
from app.api.http.problems import describe_problem
from app.errors import InvalidRequestError, ProblemError
from app.prediction.bulk import BulkClassifier, Job, Read, count_slots, finish_each
from app.prediction.predictor import Predictor
from schemas import BulkItem, BulkResponse, PredictOptions

NDJSON = "application/x-ndjson"


async def answer_bulk(
    request: Request, reads: Sequence[Read], options: PredictOptions, deadline: float
) -> Response:
    """Classify the images of one request.

    Answers a `BulkResponse`, or `BulkItem`s as they finish where the client accepts NDJSON.

    Raises:
        InvalidRequestError: there are too many of them, or none.
    """
    predictor = await get_predictor(request)
    most = predictor.limits.max_bulk
    if not 1 <= len(reads) <= most:
        raise InvalidRequestError(f"body: {len(reads)} images; send 1 to {most} in one request.")
    bulk = Bulk(predictor, options, deadline)
    if _accepts_stream(request.headers.get("accept", "")):
        return NdjsonResponse(bulk.stream(reads))
    results = await bulk.classify_all(reads)
    body = BulkResponse(results=results).model_dump_json()
    return Response(body, media_type="application/json")


def _accepts_stream(accept: str) -> bool:
    """Tell whether the client asks for items as they finish."""
    return any(part.partition(";")[0].strip() == NDJSON for part in accept.lower().split(","))


class NdjsonResponse(StreamingResponse):
    """Lines as they are made; when their client leaves, what makes them ends.

    Starlette leaves that to the garbage collector where a line is just being sent.
    """

    def __init__(self, lines: AsyncGenerator[str]) -> None:
        super().__init__(lines, media_type=NDJSON)
        self._lines = lines

    async def stream_response(self, send: Send) -> None:
        """Send the lines."""
        async with aclosing(self._lines):
            await super().stream_response(send)


class Bulk:
    """Classifies the images of one request, as many at once as a batch has.

    Args:
        predictor: the core.
        options: of every image.
        deadline: time of the event loop until which; later images get that problem.
    """

    def __init__(self, predictor: Predictor, options: PredictOptions, deadline: float) -> None:
        self._turns = BulkClassifier(predictor, options, deadline)
        self._places = count_slots(predictor.limits)

    async def classify_all(self, reads: Sequence[Read]) -> list[BulkItem]:
        """Classify all images; gives an item for each, in their order."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._classify(*item)) for item in enumerate(reads)]
        return [task.result() for task in tasks]

    async def stream(self, reads: Sequence[Read]) -> AsyncGenerator[str]:
        """Classify all images; gives a line for each as it finishes."""
        async with aclosing(finish_each(self._list_jobs(reads), self._places)) as items:
            async for item in items:
                yield item.model_dump_json() + "\n"

    async def _list_jobs(self, reads: Sequence[Read]) -> AsyncGenerator[Job[BulkItem]]:
        """List what is to do, image by image."""
        for index, read in enumerate(reads):
            yield partial(self._classify, index, read)

    async def _classify(self, index: int, read: Read) -> BulkItem:
        """Classify one image in its turn."""
        try:
            classified = await self._turns.classify(read)
        except ProblemError as problem:
            return BulkItem(index=index, problem=describe_problem(problem))
        return BulkItem(index=index, result=classified.response)
