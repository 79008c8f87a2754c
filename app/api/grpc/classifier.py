"""vitrine.v1.Classifier: one image, or a stream of them, classified; and the labels."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from functools import partial
from itertools import count

import schemas
from app.api.grpc.call import Call
from app.api.grpc.middleware import Door, streaming, unary
from app.api.grpc.status import build_status
from app.errors import DeadlineExceededError, ProblemError
from app.prediction.bulk import Job, count_slots, finish_each
from app.prediction.result import read_options
from schemas import PredictOptions
from schemas.rpc.classifier_pb2 import (
    SCORES_ALL,
    Image,
    Label,
    LabelsRequest,
    LabelsResponse,
    Model,
    Prediction,
    PredictRequest,
    PredictResponse,
    PredictResult,
)

SERVICE = "vitrine.v1.Classifier"


class ClassifierMethods(Door):
    """The methods of the service."""

    @unary(SERVICE, PredictResponse)
    async def Predict(self, request: PredictRequest, _call: Call) -> PredictResponse:  # noqa: N802
        """Classify one image."""
        classified = await self.predictor.classify(request.image, _read_options(request))
        return _build_response(classified.response)

    @streaming(SERVICE, PredictResult)
    async def PredictStream(  # noqa: N802
        self, requests: AsyncIterable[PredictRequest], call: Call
    ) -> AsyncGenerator[PredictResult]:
        """Classify images as they come, as many at once as a batch has."""
        jobs = self._list_jobs(requests, call)
        async with aclosing(finish_each(jobs, count_slots(self.predictor.limits))) as results:
            async for result in results:
                yield result

    @unary(SERVICE, LabelsResponse)
    async def Labels(self, _request: LabelsRequest, _call: Call) -> LabelsResponse:  # noqa: N802
        """List all labels by id."""
        description = await self.predictor.describe()
        labels = [Label(id=index, label=name) for index, name in enumerate(description.labels)]
        model = Model(id=description.model_id, revision=description.revision)
        return LabelsResponse(model=model, labels=labels)

    async def _list_jobs(
        self, requests: AsyncIterable[PredictRequest], call: Call
    ) -> AsyncGenerator[Job[PredictResult]]:
        """List what is to do, message by message; raises DeadlineExceededError for a silent one."""
        coming, timeout_s = aiter(requests), self.predictor.limits.timeout_s
        for index in count():
            try:
                async with asyncio.timeout(timeout_s):
                    request = await anext(coming)
            except StopAsyncIteration:
                return
            except TimeoutError as exc:
                message = f"The stream has brought nothing for {timeout_s:g} s. Open another."
                raise DeadlineExceededError(message) from exc
            yield partial(self._classify, index, request, call)

    async def _classify(self, index: int, request: PredictRequest, call: Call) -> PredictResult:
        """Classify one image of a stream; gives its problem where it has one."""
        try:
            with call.hold(request):
                classified = await self.predictor.classify(request.image, _read_options(request))
        except ProblemError as problem:
            return PredictResult(index=index, problem=build_status(problem))
        return PredictResult(index=index, response=_build_response(classified.response))


def _read_options(request: PredictRequest) -> PredictOptions:
    """Read which predictions to answer; raises InvalidRequestError."""
    given = {
        name: getattr(request, name) for name in ("top_k", "threshold") if request.HasField(name)
    }
    scores = schemas.Scores.ALL if request.scores == SCORES_ALL else schemas.Scores.TOP
    return read_options({**given, "scores": scores, "logits": request.logits})


def _build_response(response: schemas.PredictResponse) -> PredictResponse:
    """Build the message of an answer."""
    image = response.image
    return PredictResponse(
        model=Model(id=response.model.id, revision=response.model.revision),
        image=Image(width=image.width, height=image.height, format=image.format),
        predictions=[
            Prediction(label=one.label, label_id=one.label_id, score=one.score)
            for one in response.predictions
        ],
        scores=response.scores or (),
        logits=response.logits or (),
    )
