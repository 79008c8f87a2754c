"""What is counted of images."""

import asyncio
import math

import pytest

from app.errors import InternalError, UndecodableImageError, UnsupportedMediaTypeError
from app.observability.metrics import take_snapshot
from app.prediction.metrics import show_admission
from app.prediction.predictor import Predictor
from app.prediction.probe import Probe
from schemas import PredictOptions
from tests.support import samples
from tests.support.fake_backend import FakeBackend
from tests.support.predictors import LIMITS, start


def read(name: str, **labels: str) -> float:
    """Read the sum of this process's series of a name and labels."""
    return sum(
        sample.value
        for metric in take_snapshot("", "").metrics
        for sample in metric.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def test_an_answer_is_counted_once_in_each_place() -> None:
    """Its outcome, its stages, its label, its score."""
    names = {
        "vitrine_images_total": {"outcome": "classified"},
        "vitrine_stage_seconds_count": {"stage": "read"},
        "vitrine_top_labels_total": {"label": "black", "label_id": "0"},
        "vitrine_top_score_count": {},
        "vitrine_entropy_ratio_count": {},
        "vitrine_group_images_sum": {},
    }
    predictor = Predictor(FakeBackend(), LIMITS)
    before = {name: read(name, **labels) for name, labels in names.items()}
    for _ in range(3):
        await start(predictor)
    assert {name: read(name, **labels) - before[name] for name, labels in names.items()} == (
        dict.fromkeys(names, 3)
    )


async def test_the_stages_of_an_answer_make_its_time() -> None:
    """Read, group, batch and inference: none is missing, and none counts twice."""
    predictor = Predictor(FakeBackend(), LIMITS)
    before = read("vitrine_stage_seconds_sum")
    started = asyncio.get_running_loop().time()
    timing = (await start(predictor)).timing
    seconds = asyncio.get_running_loop().time() - started
    stages = read("vitrine_stage_seconds_sum") - before
    assert math.isclose(stages * 1000, timing.decode_ms + timing.queue_ms + timing.inference_ms)
    assert 0 <= timing.group_ms <= timing.queue_ms
    assert stages < seconds + 0.001  # the fake's inference takes a millisecond that it does not


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"no image", UnsupportedMediaTypeError),
        (samples.encode("PNG RGB")[:60], UndecodableImageError),
    ],
)
async def test_an_image_that_is_refused_has_its_problem_as_outcome(
    data: bytes, error: type[UnsupportedMediaTypeError | UndecodableImageError]
) -> None:
    """And no stage."""
    predictor = Predictor(FakeBackend(), LIMITS)
    before, stages = read("vitrine_images_total"), read("vitrine_stage_seconds_count")
    outcome = read("vitrine_images_total", outcome=error.type)
    with pytest.raises(error):
        await predictor.classify(data, PredictOptions())
    assert read("vitrine_images_total", outcome=error.type) == outcome + 1
    assert read("vitrine_images_total") == before + 1
    assert read("vitrine_stage_seconds_count") == stages


async def test_an_image_whose_client_disconnects_is_cancelled() -> None:
    """It is counted when it ends."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    await predictor.describe()
    backend.hang()
    before = read("vitrine_images_total", outcome="cancelled")
    task = start(predictor)
    await backend.wait_for_groups(1)
    show_admission(predictor.admission)
    assert read("vitrine_images_in_flight") == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert read("vitrine_images_total", outcome="cancelled") == before + 1
    show_admission(predictor.admission)
    assert (read("vitrine_images_in_flight"), read("vitrine_images_capacity")) == (0, 8)


async def test_an_unforeseen_error_is_counted_too() -> None:
    """The sum of all outcomes is the number of images."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    await predictor.describe()
    backend.fail(InternalError("Something."))
    before = read("vitrine_images_total", outcome="internal")
    with pytest.raises(InternalError):
        await start(predictor)
    assert read("vitrine_images_total", outcome="internal") == before + 1


async def test_a_probe_is_no_traffic() -> None:
    """Nobody asked for it."""
    names = ("vitrine_images_total", "vitrine_stage_seconds_count", "vitrine_top_labels_total")
    before = [read(name) for name in names]
    await Probe(Predictor(FakeBackend(), LIMITS)).check()
    assert [read(name) for name in names] == before
