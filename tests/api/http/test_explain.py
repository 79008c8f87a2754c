"""POST /explain: where the model looked, by every way to send an image, and what it refuses."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from app.backend import Backend, Description
from app.errors import (
    DeadlineExceededError,
    ExplanationUnavailableError,
    InvalidRequestError,
    OverloadedError,
    UndecodableImageError,
)
from app.explainer_backend import Explained, ExplainerBackend, ExplainTask
from app.prediction.explanations import MAX_EDGE, MAX_IN_FLIGHT
from schemas import ExplainResponse
from tests.support.checkpoints import copy_checkpoint
from tests.support.explaining_app import load_explainer, open_explaining
from tests.support.http_app import LIMITS, URL
from tests.support.problems import read_problem
from tests.support.service import SEVEN
from tests.support.uploads import encode_grey, make_upload

ROOT = Path(__file__).parents[3]
_SEVEN = SEVEN.read_bytes()

Loaded = tuple[Backend, ExplainerBackend]


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    """The bundled model and its explainer."""
    return load_explainer()


def send(loaded: Loaded, *requests: httpx.Request) -> list[httpx.Response]:
    """Let a fresh app over the model answer requests that come at once."""

    async def gather() -> Sequence[httpx.Response]:
        async with open_explaining(*loaded) as client:
            return await asyncio.gather(*map(client.send, requests))

    return list(asyncio.run(gather()))


def explain(loaded: Loaded, query: str = "", data: bytes = _SEVEN) -> httpx.Response:
    """Upload an image to be explained."""
    (answer,) = send(loaded, make_upload(data, query, url=URL, path="/explain"))
    return answer


def read(answer: httpx.Response) -> ExplainResponse:
    """Read an answer that must be one."""
    assert answer.status_code == 200, answer.text
    return ExplainResponse.model_validate_json(answer.content)


def test_an_answer_tells_where_the_model_looked(loaded: Loaded) -> None:
    """By default for the best label: cells from 0 to 1 over what the model saw."""
    answer = explain(loaded)
    found = read(answer)
    assert found.model.id == "vitrine-digits"
    assert found.layers is not None
    assert 1 <= found.layers.first <= found.layers.last == found.layers.total
    assert found.crop is not None
    assert (found.crop.left, found.crop.top) == (0, 0)
    assert (found.crop.width, found.crop.height) == (found.image.width, found.image.height)
    (one,) = found.explanations
    assert (one.label, one.label_id) == ("7", 7)
    assert one.score > 0.99
    cells = np.array(one.relevance)
    assert cells.shape == (8, 8)
    assert cells.max() == 1
    assert cells.min() >= 0
    assert "explain;dur=" in answer.headers["server-timing"]


def test_every_way_to_send_an_image_gives_the_same(loaded: Loaded) -> None:
    """A form, a raw body and JSON."""
    encoded = base64.b64encode(_SEVEN).decode()
    answers = send(
        loaded,
        make_upload(_SEVEN, url=URL, path="/explain"),
        httpx.Request("POST", f"{URL}/explain/raw", content=_SEVEN),
        httpx.Request("POST", f"{URL}/explain/json", json={"image": encoded}),
    )
    assert read(answers[0]) == read(answers[1]) == read(answers[2])


def test_the_score_is_the_predictions(loaded: Loaded) -> None:
    """What is explained is the answer of /predict."""
    predicted, explained = send(
        loaded,
        make_upload(_SEVEN, "scores=all", url=URL),
        make_upload(_SEVEN, "label=7&label=1&label=0", url=URL, path="/explain"),
    )
    scores = predicted.json()["scores"]
    for one in read(explained).explanations:
        assert one.score == pytest.approx(scores[one.label_id], abs=1e-5)


def test_several_labels_are_explained_at_once(loaded: Loaded) -> None:
    """In the order that was asked for, each once, and each as it is alone."""
    found = read(explain(loaded, "label=1&label=7&label=1&label_id=7&label_id=0"))
    assert [one.label for one in found.explanations] == ["1", "7", "0"]
    for one in found.explanations:
        alone = read(explain(loaded, f"label={one.label}")).explanations[0]
        np.testing.assert_allclose(one.relevance, alone.relevance, atol=2e-3)


def test_a_label_whose_score_is_0_is_explained(loaded: Loaded, tmp_path: Path) -> None:
    """Relevance is of the logit: a bias that makes the score 0 leaves the map as it is."""
    folder = copy_checkpoint(ROOT / "app/demo/checkpoint", tmp_path / "biased")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][1] -= 1000
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (one,) = read(explain(load_explainer(str(folder)), "label=1")).explanations
    assert (one.label, one.score) == ("1", 0)
    assert np.isfinite(one.relevance).all()
    (before,) = read(explain(loaded, "label=1")).explanations
    assert before.score > 0
    np.testing.assert_allclose(one.relevance, before.relevance, atol=2e-3)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("label=cat", "'cat' is no label of this model"),
        ("label=10", "'10' is no label"),
        ("label=", "'' is no label"),
        ("label=" + "9" * 5000, "is no label"),
        ("label_id=10", "label_id: 10 is none; the model has 0 to 9"),
        ("label_id=-1", "label_id"),
        ("label_id=" + "9" * 4000, "label_id"),
        ("&".join(f"label={number % 10}" for number in range(20)), "label"),
        ("&".join(f"label={n}&label_id={9 - n}" for n in range(5)), "at most 8"),
        ("method=magic", "method"),
        ("method=hirescam", "hirescam does not fit"),
        ("format=gif", "format"),
        ("opacity=2", "opacity"),
        ("opacity=nan", "opacity"),
        ("lable=7", "lable"),
        ("format=png&label=1&label=7", "at most 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(loaded: Loaded, query: str, told: str) -> None:
    """By name, and with what is allowed."""
    problem = read_problem(explain(loaded, query), InvalidRequestError)
    assert told in problem.detail


def test_an_image_that_is_none_is_refused(loaded: Loaded) -> None:
    """As /predict refuses it."""
    read_problem(explain(loaded, data=_SEVEN[:100]), UndecodableImageError)


def test_a_png_is_the_upright_image_under_the_map(loaded: Loaded) -> None:
    """In its own size, or in one that can be shown; without opacity it is the image alone."""
    original = Image.open(io.BytesIO(_SEVEN)).convert("RGB")
    answer = explain(loaded, "format=png&opacity=0")
    assert answer.headers["content-type"] == "image/png"
    plain = Image.open(io.BytesIO(answer.content))
    np.testing.assert_array_equal(np.asarray(plain.convert("RGB")), np.asarray(original))
    drawn = Image.open(io.BytesIO(explain(loaded, "format=png").content))
    assert drawn.size == original.size
    assert not np.array_equal(np.asarray(drawn.convert("RGB")), np.asarray(original))
    for wrong in ("label=cat", "label_id=99", "label=1&label=2"):
        read_problem(explain(loaded, f"format=png&opacity=0&{wrong}"), InvalidRequestError)
    large = Image.open(
        io.BytesIO(explain(loaded, "format=png", encode_grey(9, (3000, 1500))).content)
    )
    assert large.size == (MAX_EDGE, MAX_EDGE // 2)


class SlowExplainer:
    """The real explainer, which waits for an event first."""

    def __init__(self, explainer: ExplainerBackend) -> None:
        self._explainer = explainer
        self.may_go_on = asyncio.Event()
        self.is_full = asyncio.Event()
        self._tasks = 0

    async def explain(self, task: ExplainTask) -> Explained:
        """Explain once it may."""
        self._tasks += 1
        if self._tasks == MAX_IN_FLIGHT:
            self.is_full.set()
        await self.may_go_on.wait()
        return await self._explainer.explain(task)


def test_explanations_beyond_the_capacity_are_refused_and_predictions_go_on(
    loaded: Loaded,
) -> None:
    """What was admitted is answered."""
    backend, explainer = loaded

    async def overload() -> tuple[list[int], int, list[int]]:
        slow = SlowExplainer(explainer)
        async with open_explaining(backend, slow) as client:
            request = make_upload(_SEVEN, url=URL, path="/explain")
            held = [asyncio.create_task(client.send(request)) for _ in range(MAX_IN_FLIGHT)]
            await slow.is_full.wait()
            more = [await client.send(request) for _ in range(3)]
            for one in more:
                read_problem(one, OverloadedError)
            predicted = await client.send(make_upload(_SEVEN, url=URL))
            slow.may_go_on.set()
            held_codes = [(await one).status_code for one in held]
            return [one.status_code for one in more], predicted.status_code, held_codes

    refused, predicted, held = asyncio.run(overload())
    assert refused == [503] * 3
    assert predicted == 200
    assert held == [200] * MAX_IN_FLIGHT


def test_a_body_beyond_the_capacity_is_not_read(loaded: Loaded) -> None:
    """Whoever sends it is told before; the bytes are left to predictions."""
    backend, explainer = loaded
    sent: list[int] = []

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(100):
            sent.append(100_000)
            yield bytes(100_000)

    async def overload() -> httpx.Response:
        slow = SlowExplainer(explainer)
        limits = replace(LIMITS, max_bytes=20_000_000)
        async with open_explaining(backend, slow, limits) as client, asyncio.TaskGroup() as group:
            request = make_upload(_SEVEN, url=URL, path="/explain")
            for _ in range(MAX_IN_FLIGHT):
                group.create_task(client.send(request))
            await slow.is_full.wait()
            length = {"Content-Length": str(10_000_000)}
            refused = await client.post("/explain/raw", content=stream(), headers=length)
            slow.may_go_on.set()
        return refused

    read_problem(asyncio.run(overload()), OverloadedError)
    assert sum(sent) <= 200_000


def test_bodies_that_trickle_hold_no_slot(loaded: Loaded) -> None:
    """A few slow clients would else keep all others from an explanation."""
    backend, explainer = loaded

    async def trickle(began: asyncio.Semaphore) -> AsyncIterator[bytes]:
        yield b"x"
        began.release()
        await asyncio.Event().wait()

    async def ask() -> httpx.Response:
        began = asyncio.Semaphore(0)
        async with open_explaining(backend, explainer) as client:
            slow = [
                asyncio.create_task(client.post("/explain/raw", content=trickle(began)))
                for _ in range(MAX_IN_FLIGHT)
            ]
            for _ in slow:
                await began.acquire()
            answer = await client.send(make_upload(_SEVEN, url=URL, path="/explain"))
            for one in slow:
                one.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
        return answer

    read(asyncio.run(ask()))


def test_an_explanation_that_takes_too_long_is_given_up(loaded: Loaded) -> None:
    """At the request's own deadline, and its slot is free again."""
    backend, explainer = loaded

    async def wait() -> tuple[httpx.Response, httpx.Response]:
        slow = SlowExplainer(explainer)
        async with open_explaining(backend, slow, replace(LIMITS, timeout_s=60)) as client:
            request = make_upload(_SEVEN, url=URL, path="/explain")
            await client.send(make_upload(_SEVEN, url=URL))  # the model is loaded
            hurried = make_upload(_SEVEN, url=URL, path="/explain")
            hurried.headers["X-Request-Timeout-Seconds"] = "0.3"
            late = await client.send(hurried)
            slow.may_go_on.set()
            return late, await client.send(request)

    late, later = asyncio.run(wait())
    read_problem(late, DeadlineExceededError)
    read(later)


class Unexplained:
    """The real backend, of a model whose description says that it has no map."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> object:
        """Pass everything else on."""
        return getattr(self._backend, name)

    async def describe(self) -> Description:
        """Describe it without methods."""
        described = await self._backend.describe()
        return replace(described, methods=(), unexplained="No map is known.")


def test_a_model_without_maps_says_why(loaded: Loaded) -> None:
    """501, with the reason, which /labels and /health tell too."""
    mapless: Loaded = (Unexplained(loaded[0]), loaded[1])  # type: ignore[assignment] # by getattr
    answer, labels, health = send(
        mapless,
        make_upload(_SEVEN, url=URL, path="/explain"),
        httpx.Request("GET", f"{URL}/labels"),
        httpx.Request("GET", f"{URL}/health"),
    )
    assert read_problem(answer, ExplanationUnavailableError).detail == "No map is known."
    wanted = {"methods": [], "reason": "No map is known."}
    assert labels.json()["explanation"] == health.json()["explanation"] == wanted


def test_a_service_without_explainer_says_so(loaded: Loaded) -> None:
    """501, with the setting's name; a picture alone it shows."""
    answer, shown, labels = send(
        (loaded[0], None),  # type: ignore[arg-type] # as `explainer_replicas=0` gives
        make_upload(_SEVEN, url=URL, path="/explain"),
        make_upload(_SEVEN, "format=png&opacity=0", url=URL, path="/explain"),
        httpx.Request("GET", f"{URL}/labels"),
    )
    problem = read_problem(answer, ExplanationUnavailableError)
    assert "VITRINE_EXPLAINER_REPLICAS=0" in problem.detail
    assert shown.headers["content-type"] == "image/png"
    assert labels.json()["explanation"]["methods"] == []


def test_what_can_be_explained_is_told(loaded: Loaded) -> None:
    """The methods, the default first, and no reason against it."""
    (labels,) = send(loaded, httpx.Request("GET", f"{URL}/labels"))
    info = labels.json()["explanation"]
    assert info["reason"] is None
    assert read(explain(loaded)).method.value == info["methods"][0]
    for method in info["methods"]:
        assert read(explain(loaded, f"method={method}")).method.value == method
