"""POST /predict: what it answers when all is well."""

import re
from dataclasses import replace

import httpx
import numpy as np
import pytest

from schemas import PredictResponse
from tests.support.fake_backend import DESCRIPTION, FakeBackend
from tests.support.http_app import URL, answer, open_client
from tests.support.uploads import encode_grey, make_upload


def predict(
    query: str = "", level: int = 255, backend: FakeBackend | None = None
) -> httpx.Response:
    """Upload an image of one brightness."""
    response = answer(make_upload(encode_grey(level), query, url=URL), backend)
    assert response.status_code == 200, response.text
    return response


def read_labels(response: httpx.Response) -> list[str]:
    """Read the labels of an answer, in its order."""
    return [prediction["label"] for prediction in response.json()["predictions"]]


def test_an_answer_has_the_documented_shape() -> None:
    """The answer is a PredictResponse, field by field, with nothing beside it."""
    response = predict()
    body = response.json()
    assert response.headers["content-type"] == "application/json"
    assert body == PredictResponse.model_validate(body, strict=True).model_dump()
    assert body["model"] == {"id": "fake", "revision": "first"}
    assert body["image"] == {"width": 20, "height": 10, "format": "PNG"}


@pytest.mark.parametrize(("level", "label", "label_id"), [(255, "white", 4), (0, "black", 0)])
def test_predictions_are_those_of_the_model(level: int, label: str, label_id: int) -> None:
    """The best prediction is the label that the model scores highest, with its id."""
    best = predict(level=level).json()["predictions"][0]
    assert (best["label"], best["label_id"]) == (label, label_id)
    assert 0.5 < best["score"] < 1


def test_predictions_fall() -> None:
    """Predictions come by falling score, and softmax scores of all labels sum to one."""
    scores = [prediction["score"] for prediction in predict("top_k=5").json()["predictions"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_top_k_is_the_number_of_predictions(top_k: int) -> None:
    """As many predictions are answered as were asked for."""
    assert (
        read_labels(predict(f"top_k={top_k}"))
        == ["white", "light", "grey", "dark", "black"][:top_k]
    )


@pytest.mark.parametrize("count", [3, 7])
def test_top_k_is_five_or_all(count: int) -> None:
    """Without top_k there are five predictions, or all labels of a model that has fewer."""
    labels = tuple(f"label {index}" for index in range(count))
    backend = FakeBackend(replace(DESCRIPTION, labels=labels))
    assert len(read_labels(predict(backend=backend))) == min(5, count)


def test_threshold_leaves_out_what_scores_less() -> None:
    """Nothing below the threshold is answered, and an answer may be empty."""
    assert read_labels(predict("threshold=0.5")) == ["white"]
    assert read_labels(predict("threshold=1")) == []


def test_server_timing_tells_where_the_time_went() -> None:
    """Server-Timing has milliseconds of decode, queue and inference, none below zero."""
    header = predict().headers["server-timing"]
    entries = dict(re.findall(r"(\w+);dur=(\d+\.\d\d)(?:, |$)", header))
    assert list(entries) == ["decode", "queue", "inference"]
    assert float(entries["inference"]) == 1  # what the fake one says
    assert float(entries["decode"]) > 0


async def test_an_answer_names_the_revision_that_scored_it() -> None:
    """When the model changes under a running service, labels and revision change together."""
    backend = FakeBackend()
    async with open_client(backend) as client:
        first = await client.send(make_upload(encode_grey(), url=URL))
        backend.switch_revision("second")
        first, second = [first, await client.send(make_upload(encode_grey(), url=URL))]
    assert (first.json()["model"]["revision"], read_labels(first)[0]) == ("first", "white")
    assert (second.json()["model"]["revision"], read_labels(second)[0]) == (
        "second",
        "second white",
    )


def test_other_fields_of_the_form_do_no_harm() -> None:
    """A browser's form may send fields beside the image."""
    request = httpx.Request(
        "POST", f"{URL}/predict", files={"file": encode_grey()}, data={"comment": "hello"}
    )
    assert answer(request).status_code == 200


def test_all_scores_and_logits_are_answered_where_they_are_asked_for() -> None:
    """By label id, float32 as the model gave them; `top_k` and `threshold` leave them alone."""
    body = predict("scores=all&logits=true&top_k=1&threshold=0.5", level=0).json()
    assert [prediction["label_id"] for prediction in body["predictions"]] == [0]
    assert body["logits"] == [0, -2.5, -5, -7.5, -10]
    exponents = np.exp(body["logits"])
    np.testing.assert_allclose(body["scores"], exponents / exponents.sum(), rtol=1e-6)
    assert body["scores"][0] == body["predictions"][0]["score"]
