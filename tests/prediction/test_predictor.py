"""The core: limits, slots, and labels that belong to the weights that scored."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from app.backend import Geometry
from app.errors import (
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    ModelUnavailableError,
    OverloadedError,
    ProblemError,
    UndecodableImageError,
)
from app.images.reader import Reading, ThreadReader
from app.prediction.predictor import Predictor
from schemas import PredictOptions
from tests.support import samples
from tests.support.fake_backend import DESCRIPTION, FakeBackend
from tests.support.predictors import LIMITS, TOP_1, best_label, start

_SOON_S = 0.05


async def test_an_image_gets_the_label_of_its_brightness() -> None:
    """The answer names the model, the image as it was read, and the labels by falling score."""
    predictor = Predictor(FakeBackend(), LIMITS)
    answer = (
        await predictor.classify(samples.encode_grey(255, (30, 12)), PredictOptions())
    ).response
    assert (answer.model.id, answer.model.revision) == ("fake", "first")
    assert (answer.image.width, answer.image.height, answer.image.format) == (30, 12, "PNG")
    labels = [prediction.label for prediction in answer.predictions]
    assert labels == ["white", "light", "grey", "dark", "black"]


async def test_images_at_once_each_get_their_own_answer() -> None:
    """Images that travel in one group do not swap answers, and groups stay within batch_size."""
    backend = FakeBackend()
    predictor = Predictor(backend, replace(LIMITS, max_queue=100))
    levels = [0, 64, 128, 191, 255] * 8
    answers = await asyncio.gather(*(start(predictor, level) for level in levels))
    wanted = [DESCRIPTION.labels[round(level / 64)] for level in levels]
    assert [best_label(answer) for answer in answers] == wanted
    assert sum(len(group.pixels) for group in backend.groups) == len(levels)
    assert max(len(group.pixels) for group in backend.groups) <= LIMITS.batch_size


@pytest.mark.parametrize(("size", "groups"), [(3, [3]), (1, [1, 1, 1])])
async def test_images_that_were_read_together_are_scored_together(
    monkeypatch: pytest.MonkeyPatch, size: int, groups: list[int]
) -> None:
    """One that was read alone leaves at once, with nobody."""
    are_ready = asyncio.Event()

    async def read_together(reader: ThreadReader, data: bytes, geometry: Geometry) -> Reading:
        reading = await read(reader, data, geometry)
        await are_ready.wait()
        return replace(reading, group_size=size)

    read = ThreadReader.read
    monkeypatch.setattr(ThreadReader, "read", read_together)
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    answers = [start(predictor) for _ in range(3)]
    await asyncio.sleep(_SOON_S)
    are_ready.set()
    await asyncio.gather(*answers)
    assert [len(group.pixels) for group in backend.groups] == groups


async def test_a_group_has_the_models_geometry_and_revision() -> None:
    """The backend gets uint8 pixels of the geometry, with its revision."""
    backend = FakeBackend()
    await Predictor(backend, LIMITS).classify(samples.encode_grey(7), TOP_1)
    (group,) = backend.groups
    np.testing.assert_array_equal(group.pixels, np.full((1, 8, 8, 3), 7, np.uint8))
    assert group.pixels.dtype == np.uint8
    assert (group.revision, group.geometry) == ("first", DESCRIPTION.geometry)


async def test_the_classifier_is_described_once() -> None:
    """However many images come at once, the classifier describes itself once."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    await asyncio.gather(*(start(predictor) for _ in range(5)))
    assert await predictor.describe() == DESCRIPTION
    assert backend.describe_calls == 1


async def test_a_failed_description_is_asked_for_again() -> None:
    """A classifier that was not ready is asked again by the next request."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    backend.fail(ModelUnavailableError("loading"))
    with pytest.raises(ModelUnavailableError, match="loading"):
        await predictor.classify(samples.encode_grey(0), TOP_1)
    backend.fail(None)
    assert best_label(await start(predictor)) == "black"


async def test_a_description_that_takes_too_long_is_an_unavailable_model() -> None:
    """`describe` does not wait beyond the time limit."""
    backend = FakeBackend()
    backend.hang()
    predictor = Predictor(backend, replace(LIMITS, timeout_s=_SOON_S))
    with pytest.raises(ModelUnavailableError, match="still loading"):
        await predictor.describe()


async def test_a_full_queue_refuses_and_its_slots_are_released() -> None:
    """The image beyond max_queue is refused at once; an answer releases a slot."""
    backend = FakeBackend()
    backend.hang()
    predictor = Predictor(backend, replace(LIMITS, max_queue=3))
    waiting = [start(predictor) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="3 images are waiting"):
        await predictor.classify(samples.encode_grey(0), TOP_1)
    backend.resume()
    await asyncio.gather(*waiting)
    again = await asyncio.gather(*(start(predictor, 255) for _ in range(3)))
    assert [best_label(answer) for answer in again] == ["white"] * 3


async def test_a_passed_deadline_is_an_error_and_releases_the_slot() -> None:
    """A classifier that hangs gives DeadlineExceededError, not a request that hangs."""
    backend = FakeBackend()
    predictor = Predictor(backend, replace(LIMITS, max_queue=1, timeout_s=0.5))
    await predictor.describe()
    backend.hang()
    with pytest.raises(DeadlineExceededError, match="in time"):
        await predictor.classify(samples.encode_grey(0), TOP_1)
    assert len(backend.groups) == 1
    backend.resume()
    assert best_label(await start(predictor)) == "black"


async def test_a_cancelled_request_releases_its_slot() -> None:
    """A client that disconnects does not affect the others."""
    backend = FakeBackend()
    backend.hang()
    predictor = Predictor(backend, replace(LIMITS, max_queue=2))
    leaving, staying = start(predictor, 0), start(predictor, 255)
    await asyncio.sleep(_SOON_S)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (predictor.admission.images, predictor.admission.cancelled) == (1, 1)
    newcomer = start(predictor, 128)
    await asyncio.sleep(0)
    backend.resume()
    answers = await asyncio.gather(staying, newcomer)
    assert [best_label(answer) for answer in answers] == ["white", "grey"]


@pytest.mark.parametrize(
    "error", [OverloadedError("full"), ModelUnavailableError("gone"), InternalError("id 1")]
)
async def test_what_the_backend_raises_reaches_the_caller(error: ProblemError) -> None:
    """A backend's error is not dressed up, frees the slots, and is not for ever."""
    backend = FakeBackend()
    predictor = Predictor(backend, replace(LIMITS, max_queue=2))
    await predictor.describe()
    backend.fail(error)
    outcomes = await asyncio.gather(start(predictor), start(predictor), return_exceptions=True)
    assert list(outcomes) == [error, error]
    assert predictor.last_success is None
    backend.fail(None)
    assert best_label(await start(predictor, 255)) == "white"
    assert predictor.last_success is not None


async def test_a_bad_image_does_not_reach_the_backend() -> None:
    """What cannot be decoded ends in the core, and images beside it are answered."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    bad = asyncio.create_task(predictor.classify(samples.encode("PNG RGB")[:200], TOP_1))
    good = start(predictor, 255)
    assert best_label(await good) == "white"
    with pytest.raises(UndecodableImageError):
        await bad
    assert [len(group.pixels) for group in backend.groups] == [1]


async def test_too_large_a_top_k_is_refused() -> None:
    """There cannot be more predictions than labels."""
    predictor = Predictor(FakeBackend(), LIMITS)
    with pytest.raises(InvalidRequestError, match="1 to 5"):
        await predictor.classify(samples.encode_grey(0), PredictOptions(top_k=6))


async def test_the_time_of_an_answer_is_accounted_for() -> None:
    """Decoding, waiting and inference are measured separately."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    await predictor.describe()
    backend.hang()
    task = start(predictor)
    await backend.wait_for_groups(1)
    await asyncio.sleep(_SOON_S)
    backend.resume()
    timing = (await task).timing
    assert timing.inference_ms == 1.0
    assert timing.queue_ms >= _SOON_S * 1000 - 10
    assert timing.decode_ms > 0


async def test_images_that_wait_for_the_last_classifier_are_not_refused_when_it_has_come() -> None:
    """They are more than may wait for classifiers of which no more are to come."""
    backend = FakeBackend()
    backend.hang()
    limits = replace(LIMITS, max_queue=1000, queue_share=1, batch_size=1, max_classifiers=1)
    predictor = Predictor(backend, replace(limits, max_bulk=1))
    backend.classifiers = 0
    waiting = [start(predictor) for _ in range(20)]
    await asyncio.sleep(_SOON_S)
    backend.classifiers = 1
    waiting.append(start(predictor))
    await asyncio.sleep(_SOON_S)
    backend.resume()
    assert {best_label(await one) for one in waiting} == {"black"}
    fixed = Predictor(FakeBackend(), replace(limits, max_classifiers=0))
    assert fixed.limits.bound_images(1).most < len(waiting)
