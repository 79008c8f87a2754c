"""Many images in one request: each gets its predictions, or its problem."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Send

from app.api.http.problems import describe_problem
from app.api.http.request_context import get_context
from app.errors import InvalidRequestError, ProblemError
from app.prediction.bulk import BulkClassifier, Job, Read, count_slots, finish_each
from app.prediction.predictor import Predictor
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
    most = predictor.limits.max_bulk
    if not 1 <= len(reads) <= most:
        raise InvalidRequestError(f"body: {len(reads)} images; send 1 to {most} in one request.")
    bulk = Bulk(predictor, options, context.deadline)
    if _accepts_stream(request.headers.get("accept", "")):
        return NdjsonResponse(bulk.stream(reads))
    results = await bulk.classify_all(reads)
    body = BulkResponse(results=results).model_dump_json()
    return Response(body, media_type="application/json")


def _accepts_stream(accept: str) -> bool:
    """Tell whether the client asks for items as they finish."""
    return any(part.partition(";")[0].strip() == NDJSON for part in accept.lower().split(","))


class NdjsonResponse(StreamingResponse):
    """Lines as they are made; when the client disconnects, their generator is closed.

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
    """Classifies the images of one request, as many at once as fit into a batch.

    Args:
        predictor: the core.
        options: of every image.
        deadline: time of the event loop; images that are late get that problem.
    """

    def __init__(self, predictor: Predictor, options: PredictOptions, deadline: float) -> None:
        self._classifier = BulkClassifier(predictor, options, deadline)
        self._slots = count_slots(predictor.limits)

    async def classify_all(self, reads: Sequence[Read]) -> list[BulkItem]:
        """Classify all images; gives an item for each, in their order."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._classify(*item)) for item in enumerate(reads)]
        return [task.result() for task in tasks]

    async def stream(self, reads: Sequence[Read]) -> AsyncGenerator[str]:
        """Classify all images; gives a line for each as it finishes."""
        async with aclosing(finish_each(self._list_jobs(reads), self._slots)) as items:
            async for item in items:
                yield item.model_dump_json() + "\n"

    async def _list_jobs(self, reads: Sequence[Read]) -> AsyncGenerator[Job[BulkItem]]:
        """List the jobs, one for each image."""
        for index, read in enumerate(reads):
            yield partial(self._classify, index, read)

    async def _classify(self, index: int, read: Read) -> BulkItem:
        """Classify one image; gives its problem where it has one."""
        try:
            classified = await self._classifier.classify(read)
        except ProblemError as problem:
            return BulkItem(index=index, problem=describe_problem(problem))
        return BulkItem(index=index, result=classified.response)
