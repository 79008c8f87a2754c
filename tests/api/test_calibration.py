"""Calibrated scores by every API: the same numbers, logits as they are, and said in the labels."""

import asyncio
import base64
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from app.api.python import PythonApi
from app.classifier.checkpoint.calibration import CALIBRATION
from app.classifier.checkpoint.files import BUNDLED, open_checkpoint
from app.offline.local_backend import LocalBackend
from app.offline.local_explainer import LocalExplainer
from app.prediction.predictor import Predictor
from schemas.rpc.classifier_pb2 import SCORES_ALL, LabelsRequest, PredictRequest
from schemas.rpc.classifier_pb2_grpc import ClassifierStub
from tests.support.checkpoints import copy_checkpoint
from tests.support.explaining_app import open_explaining
from tests.support.fake_backend import DESCRIPTION, FakeBackend
from tests.support.grpc_server import open_channel
from tests.support.http_app import LIMITS, URL, answer, get
from tests.support.samples import encode_grey
from tests.support.service import SEVEN
from tests.support.uploads import make_upload

TEMPERATURE = 4.0
BLACK = encode_grey(0, (64, 64))
LOGITS = np.array([0, -2.5, -5, -7.5, -10], np.float32)


def soften(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute calibrated scores."""
    exponents = np.exp(logits / TEMPERATURE)
    return np.asarray(exponents / exponents.sum(), np.float32)


def make_backend() -> FakeBackend:
    """Make a classifier that is calibrated."""
    return FakeBackend(replace(DESCRIPTION, temperature=TEMPERATURE))


def ask(path: str, body: object) -> httpx.Response:
    """Send JSON to a fresh app."""
    return answer(httpx.Request("POST", URL + path, json=body), make_backend())


def test_predict_answers_calibrated_scores_and_raw_logits() -> None:
    """A client that has its own calibration takes the logits."""
    request = make_upload(BLACK, "scores=all&logits=true", url=URL)
    found = answer(request, make_backend()).json()
    np.testing.assert_allclose(found["scores"], soften(LOGITS), rtol=1e-5)
    np.testing.assert_allclose(found["logits"], LOGITS, atol=1e-5)
    assert [one["score"] for one in found["predictions"]] == found["scores"]


def test_open_inference_answers_the_same() -> None:
    """Both tensors, and the best labels as text."""
    data = base64.b64encode(BLACK).decode()
    body = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [data]}]}
    scores, logits = ask("/v2/models/fake/infer", body).json()["outputs"]
    np.testing.assert_allclose(scores["data"], soften(LOGITS), rtol=1e-5)
    np.testing.assert_allclose(logits["data"], LOGITS, atol=1e-5)
    wanted = [{"name": "scores", "parameters": {"classification": 1}}]
    (best,) = ask("/v2/models/fake/infer", {**body, "outputs": wanted}).json()["outputs"]
    assert best["data"] == [f"{soften(LOGITS)[0]:f}:0:black"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, soften(LOGITS)),
        ({"function_to_apply": "softmax"}, soften(LOGITS)),
        ({"function_to_apply": "sigmoid"}, 1 / (1 + np.exp(-LOGITS))),
        ({"function_to_apply": "none"}, LOGITS),
    ],
)
def test_a_task_is_calibrated_where_it_has_softmax(
    parameters: dict[str, str], expected: NDArray[np.float32]
) -> None:
    """Another function than the model's own is applied to the logits as they are."""
    body = {"inputs": base64.b64encode(BLACK).decode(), "parameters": parameters}
    scores = [one["score"] for one in ask("/hf", body).json()]
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)


async def test_grpc_answers_the_same() -> None:
    """And its labels tell the temperature."""
    async with open_channel(make_backend()) as (channel, _):
        stub = ClassifierStub(channel)
        request = PredictRequest(image=BLACK, scores=SCORES_ALL, logits=True)
        found, labels = await stub.Predict(request), await stub.Labels(LabelsRequest())
    np.testing.assert_allclose(found.scores, soften(LOGITS), rtol=1e-5)
    np.testing.assert_allclose(found.logits, LOGITS, atol=1e-5)
    assert labels.temperature == TEMPERATURE


def test_calls_from_python_answer_the_same() -> None:
    """`classify` is calibrated; `logits` gives logits."""
    api = PythonApi(Predictor(make_backend(), LIMITS), lambda: "id")
    found = asyncio.run(api.classify(BLACK, scores="all"))
    np.testing.assert_allclose(found.scores or [], soften(LOGITS), rtol=1e-5)


def test_labels_tell_the_temperature_where_there_is_one() -> None:
    """Its ETag changes with it, since a Hub checkpoint's revision does not."""
    calibrated, plain = answer(get("/labels"), make_backend()), answer(get("/labels"))
    assert calibrated.json()["temperature"] == TEMPERATURE
    assert calibrated.headers["ETag"] != plain.headers["ETag"]
    assert "temperature" not in plain.json()


async def test_grpc_labels_tell_no_temperature_without_one() -> None:
    """The field is absent, not 0."""
    async with open_channel(FakeBackend()) as (channel, _):
        labels = await ClassifierStub(channel).Labels(LabelsRequest())
    assert not labels.HasField("temperature")


async def test_an_explanation_has_the_score_of_a_prediction(tmp_path: Path) -> None:
    """By a real model and explainer, both of the calibrated revision."""
    folder = copy_checkpoint(BUNDLED, tmp_path / "digits")
    (folder / CALIBRATION).write_text(f'{{"temperature": {TEMPERATURE}}}')
    checkpoint = open_checkpoint(str(folder), is_calibrated=True)
    plain = open_checkpoint(str(folder))
    scores = []
    for one in (checkpoint, plain):
        async with open_explaining(LocalBackend(one), LocalExplainer(one)) as client:
            paths = ("/predict", "/explain")
            uploads = [make_upload(SEVEN.read_bytes(), url=URL, path=path) for path in paths]
            predicted, explained = [(await client.send(upload)).json() for upload in uploads]
        score = predicted["predictions"][0]["score"]
        assert explained["explanations"][0]["score"] == pytest.approx(score, abs=1e-4)
        assert explained["model"] == predicted["model"]
        scores.append(score)
    assert scores[0] < scores[1] - 0.01
