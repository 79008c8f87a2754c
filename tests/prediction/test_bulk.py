"""Bulk requests: what the HTTP, gRPC and Open Inference APIs get for each image."""

import asyncio
from dataclasses import replace
from functools import partial

from app.errors import UndecodableImageError
from app.prediction.bulk import Outcome, classify_each
from app.prediction.predictor import Predictor
from schemas import PredictOptions
from tests.support.fake_backend import FakeBackend
from tests.support.predictors import LIMITS
from tests.support.samples import encode_grey


async def classify(images: list[bytes]) -> dict[int, Outcome]:
    """Classify the images of one request; gives their outcomes by index."""
    predictor = Predictor(FakeBackend(), replace(LIMITS, batch_size=2))

    async def read(image: bytes) -> bytes:
        return image

    reads = [partial(read, image) for image in images]
    deadline = asyncio.get_running_loop().time() + 20
    outcomes = classify_each(predictor, reads, PredictOptions(top_k=1), deadline)
    return {index: outcome async for index, outcome in outcomes}


async def test_each_image_has_its_outcome() -> None:
    """A result or a problem, at the image's index, with more images than a batch has."""
    found = await classify([encode_grey(0), b"", encode_grey(255)] * 2)
    assert sorted(found) == [0, 1, 2, 3, 4, 5]
    kinds = [isinstance(found[index], UndecodableImageError) for index in range(6)]
    assert kinds == [False, True, False] * 2


async def test_a_problem_does_not_keep_its_image() -> None:
    """A traceback would, until a slow client has read the outcome."""
    problem = (await classify([b""]))[0]
    assert isinstance(problem, UndecodableImageError)
    assert (problem.__traceback__, problem.__context__, problem.__cause__) == (None, None, None)
