"""vitrine.v1.Classifier: one image, or a stream of them, classified; and the labels."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from functools import partial

import schemas
from app.api.grpc.middleware import Methods, streaming, unary
from app.api.grpc.status import build_status
from app.api.validation import read_options
from app.errors import DeadlineExceededError, ProblemError
from app.prediction.bulk import Job, Outcome, finish_each
from app.prediction.result import Classified
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


class ClassifierMethods(Methods):
    """The methods of the service."""

    @unary(SERVICE, PredictResponse)
    async def Predict(self, request: PredictRequest) -> PredictResponse:  # noqa: N802
        """Classify one image."""
        return _build_response(await self._classify(request))

    @streaming(SERVICE, PredictResult)
    async def PredictStream(  # noqa: N802
        self, requests: AsyncIterable[PredictRequest]
    ) -> AsyncGenerator[PredictResult]:
        """Classify images as they come, as many at once as fit into a batch."""
        outcomes = finish_each(self._list_jobs(requests), self.services.predictor.limits)
        async with aclosing(outcomes):
            async for outcome in outcomes:
                yield _build_result(*outcome)

    @unary(SERVICE, LabelsResponse)
    async def Labels(self, _request: LabelsRequest) -> LabelsResponse:  # noqa: N802
        """List all labels by id."""
        description = await self.services.predictor.describe()
        labels = [Label(id=index, label=name) for index, name in enumerate(description.labels)]
        model = Model(id=description.model_id, revision=description.revision)
        calibrated = None if description.temperature == 1.0 else description.temperature
        return LabelsResponse(model=model, labels=labels, temperature=calibrated)

    async def _list_jobs(self, requests: AsyncIterable[PredictRequest]) -> AsyncGenerator[Job]:
        """List the jobs, one for each message; raises DeadlineExceededError where none comes."""
        coming, timeout_s = aiter(requests), self.services.predictor.limits.timeout_s
        while True:
            try:
                async with asyncio.timeout(timeout_s):
                    request = await anext(coming)
            except StopAsyncIteration:
                return
            except TimeoutError as exc:
                message = f"The stream has brought nothing for {timeout_s:g} s. Open another."
                raise DeadlineExceededError(message) from exc
            yield partial(self._classify_held, request)

    async def _classify_held(self, request: PredictRequest) -> Classified:
        """Classify one image of a stream, whose bytes are held meanwhile; raises ProblemError."""
        with self.hold(request):
            return await self._classify(request)

    async def _classify(self, request: PredictRequest) -> Classified:
        """Classify one image; raises ProblemError."""
        return await self.services.predictor.classify(request.image, _read_options(request))


def _read_options(request: PredictRequest) -> PredictOptions:
    """Read which predictions to answer; raises InvalidRequestError."""
    given = {
        name: getattr(request, name) for name in ("top_k", "threshold") if request.HasField(name)
    }
    scores = schemas.Scores.ALL if request.scores == SCORES_ALL else schemas.Scores.TOP
    return read_options({**given, "scores": scores, "logits": request.logits})


def _build_result(index: int, outcome: Outcome) -> PredictResult:
    """Build the message for one image of a stream."""
    if isinstance(outcome, ProblemError):
        return PredictResult(index=index, problem=build_status(outcome))
    return PredictResult(index=index, response=_build_response(outcome))


def _build_response(classified: Classified) -> PredictResponse:
    """Build the message of an answer."""
    response = classified.response
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
