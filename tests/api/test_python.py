"""The Python API: what goes in, what comes out, and what is refused."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.api.python import PythonApi
from app.backend import Group, Scored
from app.errors import (
    InternalError,
    InvalidRequestError,
    ModelUnavailableError,
    OverloadedError,
    PayloadTooLargeError,
    ProblemError,
    UnsupportedMediaTypeError,
)
from app.limits import Limits
from app.observability.access_log import CLIENT_DISCONNECTED
from app.prediction.predictor import Predictor
from schemas import PredictResponse
from tests.support import samples
from tests.support.fake_backend import FakeBackend
from tests.support.log_lines import collect_lines

_LIMITS = Limits(max_bytes=10_000, max_pixels=5_000, max_queue=8, timeout_s=20, batch_size=4)
_ID = "an-id"
_WHITE = np.full((12, 30, 3), 255, np.uint8)


def make_api(backend: FakeBackend | None = None) -> PythonApi:
    """Make the API over a fake classifier."""
    return PythonApi(Predictor(backend or FakeBackend(), _LIMITS), lambda: _ID)


def classify(image: object, **options: object) -> PredictResponse:
    """Classify one image, whatever it is."""
    return asyncio.run(make_api().classify(image, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (samples.encode_grey(255, (30, 12)), "PNG"),
        (Image.fromarray(_WHITE), "BMP"),
        (Image.new("L", (30, 12), 255), "BMP"),
        (_WHITE, "BMP"),
        (np.ones((12, 30, 3), np.float32), "BMP"),
    ],
)
def test_an_image_comes_in_any_of_three_ways(image: object, kind: str) -> None:
    """As the bytes of a file, as a Pillow image of any mode, or as an array."""
    answer = classify(image, top_k=1, scores="all")
    assert (answer.image.width, answer.image.height, answer.image.format) == (30, 12, kind)
    assert [one.label for one in answer.predictions] == ["white"]
    assert answer.scores is not None
    assert answer.logits is None


def test_a_pillow_image_is_turned_upright() -> None:
    """By its EXIF, as transformers' `load_image` turns it."""
    image = Image.new("RGB", (30, 12))
    image.getexif()[274] = 6
    answer = classify(image)
    assert (answer.image.width, answer.image.height) == (12, 30)


@pytest.mark.parametrize(
    ("image", "options", "error", "said"),
    [
        ("7.png", {}, InvalidRequestError, "this is a str"),
        (None, {}, InvalidRequestError, "this is a NoneType"),
        (_WHITE[0], {}, InvalidRequestError, "[height, width, 3]"),
        (Image.new("RGB", (0, 5)), {}, InvalidRequestError, "[height, width, 3]"),
        (Image.new("La", (5, 5)), {}, InvalidRequestError, "of mode La"),
        (b"%PDF-1.7", {}, UnsupportedMediaTypeError, "application/pdf"),
        (b"x" * 10_001, {}, PayloadTooLargeError, "10001 bytes"),
        (np.zeros((60, 60, 3), np.uint8), {}, PayloadTooLargeError, "10800 bytes"),
        (Image.new("L", (60, 60)), {}, PayloadTooLargeError, "10800 bytes"),
        (_WHITE, {"top_k": 0}, InvalidRequestError, "top_k: Input should be greater"),
        (_WHITE, {"top_k": 6}, InvalidRequestError, "must be 1 to 5"),
        (_WHITE, {"scores": "some"}, InvalidRequestError, "scores: Input should be 'top' or"),
        (_WHITE, {"topk": 1}, InvalidRequestError, "topk: Extra inputs"),
    ],
)
def test_what_is_no_call_is_refused(
    image: object, options: dict[str, object], error: type[ProblemError], said: str
) -> None:
    """With one of our errors, which says what an image or an option must be."""
    with pytest.raises(error) as caught:
        classify(image, **options)
    assert said in caught.value.detail


async def test_bytes_that_are_held_count_as_those_of_bodies() -> None:
    """And are given back."""
    limits = replace(_LIMITS, max_queue_bytes=1000)
    predictor = Predictor(FakeBackend(), limits)
    with pytest.raises(OverloadedError):
        await PythonApi(predictor, lambda: _ID).classify(_WHITE)
    assert predictor.admission.bytes == 0


def make_pixels(*levels: int, edge: int = 8) -> NDArray[np.uint8]:
    """Make grey pixels `[n, edge, edge, 3]`."""
    grey = np.array(levels, np.uint8)[:, None, None, None]
    return np.broadcast_to(grey, (len(levels), edge, edge, 3)).copy()


async def test_pixels_get_a_row_of_logits_each() -> None:
    """In their order, and in groups that are no larger than a batch."""
    backend = FakeBackend()
    logits = await make_api(backend).logits(make_pixels(0, 255, 128, 64, 191, 0))
    assert logits.shape == (6, 5)
    assert logits.dtype == np.float32
    assert logits.argmax(axis=1).tolist() == [0, 4, 2, 1, 3, 0]
    assert [len(group.pixels) for group in backend.groups] == [4, 2]


@pytest.mark.parametrize(
    "pixels",
    [
        make_pixels(0)[0],
        make_pixels(0, edge=9),
        make_pixels(),
        make_pixels(*range(9)),
        make_pixels(0).astype(np.float32),
        make_pixels(0)[..., :1],
        [[0]],
        None,
    ],
    ids=lambda pixels: str(getattr(pixels, "shape", pixels)),
)
def test_other_pixels_are_refused(pixels: NDArray[np.uint8]) -> None:
    """The message says what this model takes, and how many: here no more than there are slots."""
    with pytest.raises(InvalidRequestError, match=r"uint8 \[n, 8, 8, 3\], RGB, n from 1 to 8;"):
        asyncio.run(make_api().logits(pixels))


class Changing(FakeBackend):
    """A classifier that changes its weights between its first group and its second."""

    async def predict(self, group: Group) -> Scored:
        """Score one group, then be another."""
        scored = await super().predict(group)
        self.switch_revision()
        return scored


async def test_rows_of_two_revisions_are_not_mixed() -> None:
    """Pixels whose rows two revisions scored are scored again, all of them."""
    backend = Changing()
    logits = await make_api(backend).logits(make_pixels(*range(8)))
    assert logits.shape == (8, 5)
    assert [len(group.pixels) for group in backend.groups] == [4, 4, 4, 4]


async def test_pixels_of_a_geometry_that_is_gone_are_refused() -> None:
    """They no longer are what the model takes; the message says what it takes now."""
    backend = FakeBackend()
    api = make_api(backend)
    await api.logits(make_pixels(0))
    backend.switch_geometry(16)
    with pytest.raises(InvalidRequestError, match=r"\[n, 16, 16, 3\]"):
        await api.logits(make_pixels(0))


def test_logits_that_are_no_numbers_are_not_answered() -> None:
    """As those of a classification are not."""
    backend = FakeBackend()
    backend.scale = float("nan")
    with pytest.raises(InternalError):
        asyncio.run(make_api(backend).logits(make_pixels(0)))


def test_each_call_writes_a_line() -> None:
    """Like a request's: its status, and the id of the request that it was made for."""
    backend = FakeBackend()

    async def scenario() -> None:
        api = make_api(backend)
        await api.classify(_WHITE)
        backend.fail(ModelUnavailableError("gone"))
        with suppress(ModelUnavailableError):
            await api.logits(make_pixels(0))

    with collect_lines() as lines:
        asyncio.run(scenario())
    told = [[line[name] for name in ("method", "path", "status", "request_id")] for line in lines]
    assert told == [["CALL", "classify", 200, _ID], ["CALL", "logits", 503, _ID]]


def test_a_cancelled_call_gives_its_slots_back() -> None:
    """And writes its line."""

    async def scenario() -> None:
        backend = FakeBackend()
        backend.hang()
        predictor = Predictor(backend, _LIMITS)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await PythonApi(predictor, lambda: _ID).classify(_WHITE)
        assert (predictor.admission.images, predictor.admission.bytes) == (0, 0)

    with collect_lines() as lines:
        asyncio.run(scenario())
    assert [line["status"] for line in lines] == [CLIENT_DISCONNECTED]
