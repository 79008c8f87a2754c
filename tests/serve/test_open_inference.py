"""The Open Inference Protocol, with Triton's own client against the service."""

import base64
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.api.http.open_inference_codec import LENGTH
from app.errors import NotFoundError
from tests.support.problems import read_problem
from tests.support.service import ANN, SAMPLES, SEVEN, Service
from tests.support.triton import Triton, TritonError, pose_array, pose_images
from tests.support.uploads import encode_grey, make_upload

MODEL = "vitrine-digits"
NOT_FOUND = "(404|.*NOT_FOUND)"
INVALID = "(422|.*INVALID_ARGUMENT)"
UNSUPPORTED = "(415|.*INVALID_ARGUMENT)"
UNAUTHORIZED = "(401|.*UNAUTHENTICATED)"
_FILES = sorted(SAMPLES.glob("*.png"))
Ask = Callable[..., Any]


@pytest.fixture(params=["http", "grpc"])
def door(request: pytest.FixtureRequest) -> str:
    """Go through each of the two doors."""
    return str(request.param)


@pytest.fixture
def ask(door: str, service: Service, triton: Triton) -> Ask:
    """Ask the service."""
    url = f"127.0.0.1:{service.port if door == 'http' else service.grpc_port}"

    def ask_service(call: str, *arguments: str, **question: object) -> object:
        return triton.ask(door, url, call, arguments=arguments, **question)

    return ask_service


def read_scores(service: Service, data: bytes) -> tuple[list[float], list[float], str]:
    """Ask the other door for scores, logits and the revision of an image."""
    upload = make_upload(data, "scores=all&logits=true", url=service.url)
    with httpx.Client(timeout=60) as client:
        told = client.send(upload).json()
    return told["scores"], told["logits"], told["model"]["revision"]


def test_the_service_is_live_and_ready(ask: Ask) -> None:
    """The model too, and no other."""
    assert ask("is_server_live") is True
    assert ask("is_server_ready") is True
    assert ask("is_model_ready", MODEL) is True
    assert ask("is_model_ready", "other") is False
    assert ask("is_model_ready", MODEL, "1") is False


def test_metadata_tell_what_may_be_asked(ask: Ask, service: Service) -> None:
    """Of the service, and of the model in the version that serves."""
    assert ask("get_server_metadata")["name"] == "vitrine"
    told = ask("get_model_metadata", MODEL)
    _, _, revision = read_scores(service, SEVEN.read_bytes())
    assert (told["name"], told["versions"]) == (MODEL, [revision])
    assert ask("get_model_metadata", MODEL, revision) == told
    assert [one["name"] for one in told["inputs"] + told["outputs"]] == [
        "image",
        "scores",
        "logits",
    ]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
def test_images_get_the_numbers_of_the_other_doors(
    door: str, ask: Ask, service: Service, *, binary: bool
) -> None:
    """In their order, as bytes and as base64, in any batch."""
    images = [file.read_bytes() for file in _FILES]
    is_text = door == "http" and not binary  # gRPC has bytes alone
    given = [base64.b64encode(image) for image in images] if is_text else images
    outputs = [] if binary else [("scores", 0), ("logits", 0)]
    told = ask("infer", model=MODEL, binary=binary, outputs=outputs, **pose_images(given))
    scores, logits, revision = read_scores(service, images[7])
    assert told["model"] == [MODEL, revision, "asked"]
    assert [str(np.argmax(row)) for row in told["outputs"]["scores"]] == [
        file.name[0] for file in _FILES
    ]
    np.testing.assert_allclose(told["outputs"]["scores"][7], scores, atol=1e-5)
    np.testing.assert_allclose(told["outputs"]["logits"][7], logits, atol=1e-4)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_arrays_are_images(ask: Ask, *, dtype: type[np.generic], binary: bool) -> None:
    """Of bytes, and of floats from 0 to 1: the numbers are those of the file."""
    array = np.asarray(Image.open(SEVEN).convert("RGB"))[None].repeat(2, axis=0)
    given = array if dtype is np.uint8 else (array / 255).astype(np.float32)
    told = ask("infer", model=MODEL, binary=binary, **pose_array(given))
    expected = ask("infer", model=MODEL, **pose_images([SEVEN.read_bytes()] * 2))
    for name in ("scores", "logits"):
        values, wanted = told["outputs"][name], expected["outputs"][name]
        np.testing.assert_allclose(values, wanted, atol=1e-4)


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
def test_classification_gives_labels(ask: Ask, *, binary: bool) -> None:
    """The best of each image, as text."""
    array = np.asarray(Image.open(SEVEN).convert("RGB"))[None]
    outputs = [("scores", 2), ("logits", 1)]
    told = ask("infer", model=MODEL, binary=binary, outputs=outputs, **pose_array(array))
    scores, logits = (told["outputs"][name][0] for name in ("scores", "logits"))
    value, index, label = scores[0].split(":")
    assert (index, label) == ("7", "7")
    assert 0.8 < float(value) <= 1
    assert (len(scores), len(logits)) == (2, 1)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"model": "other"}, f"{NOT_FOUND}: Served is the model {MODEL} in version"),
        ({"version": "1"}, f"{NOT_FOUND}: Served is the model {MODEL} in version"),
        ({"input": "picture"}, f"{INVALID}: Send one input, named `image`"),
        ({"outputs": [("probabilities", 0)]}, f"{INVALID}: An output that is"),
        (
            pose_images([encode_grey(), b"no image"]),
            f"{UNSUPPORTED}: image 1: The",
        ),
        (pose_images([b""] * 65), f"{INVALID}: 65 images; send 1 to 64"),
        (
            pose_array(np.zeros((1, 8, 8, 1), np.uint8)),
            f"{INVALID}: Images as UINT8",
        ),
        (
            pose_array(np.full((1, 1, 1, 3), 2, np.float32)),
            f"{INVALID}: image 0: .* 0 to 1",
        ),
    ],
)
def test_the_client_reads_what_is_wrong(ask: Ask, question: dict[str, Any], said: str) -> None:
    """In the words of the problem."""
    with pytest.raises(TritonError, match=said):
        ask("infer", **{"model": MODEL, **pose_images([encode_grey()]), **question})


def test_the_client_sends_a_key(closed: Service, triton: Triton, door: str) -> None:
    """Without one it may ask whether the service is ready, and no more."""
    url = f"127.0.0.1:{closed.port if door == 'http' else closed.grpc_port}"
    given = pose_images([SEVEN.read_bytes()])
    assert triton.ask(door, url, "is_server_ready") is True
    with pytest.raises(TritonError, match=f"{UNAUTHORIZED}: Send a key"):
        triton.ask(door, url, "infer", model=MODEL, **given)
    headers = {"authorization": f"Bearer {ANN}"}
    assert triton.ask(door, url, "infer", model=MODEL, headers=headers, **given)["outputs"]


def test_a_length_that_lies_is_a_problem(service: Service) -> None:
    """Through the proxy too."""
    url = f"{service.url}/v2/models/{MODEL}/infer"
    answered = httpx.post(url, content=b"{}", headers={LENGTH: "3"})
    assert answered.status_code == 422
    assert answered.json()["error"].startswith(f"header {LENGTH}")
    read_problem(httpx.get(f"{service.url}/v2/models/other"), NotFoundError)
