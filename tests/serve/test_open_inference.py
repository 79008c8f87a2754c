"""The Open Inference Protocol, with Triton's own client against the service."""

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.api.http.open_inference_codec import LENGTH
from app.errors import NotFoundError
from tests.support.problems import read_problem
from tests.support.service import ANN, SEVEN, Service
from tests.support.triton import Triton, TritonError, pose_array, pose_images
from tests.support.uploads import encode_grey

MODEL = "vitrine-digits"
NOT_FOUND = "(404|.*NOT_FOUND)"
UNSUPPORTED = "(415|.*INVALID_ARGUMENT)"
UNAUTHORIZED = "(401|.*UNAUTHENTICATED)"
Ask = Callable[..., Any]


@pytest.fixture(params=["http", "grpc"])
def protocol(request: pytest.FixtureRequest) -> str:
    """Each of the two protocols that carry it."""
    return str(request.param)


@pytest.fixture
def ask(protocol: str, service: Service, triton: Triton) -> Ask:
    """Ask the service."""
    url = f"127.0.0.1:{service.port if protocol == 'http' else service.grpc_port}"

    def ask_service(call: str, *arguments: str, **question: object) -> object:
        return triton.ask(protocol, url, call, arguments=arguments, **question)

    return ask_service


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
    revision = httpx.get(f"{service.url}/labels", timeout=30).json()["model"]["revision"]
    assert (told["name"], told["versions"]) == (MODEL, [revision])
    assert ask("get_model_metadata", MODEL, revision) == told
    assert [one["name"] for one in told["inputs"] + told["outputs"]] == [
        "image",
        "scores",
        "logits",
    ]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
def test_classification_gives_labels(ask: Ask, *, binary: bool) -> None:
    """The best of each image, as text."""
    array = np.asarray(Image.open(SEVEN).convert("RGB"))[None]
    outputs = [("scores", 2), ("logits", 1)]
    told = ask("infer", model=MODEL, binary=binary, outputs=outputs, **pose_array(array))
    assert told["model"][::2] == [MODEL, "asked"]
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
        (
            pose_images([encode_grey(), b"no image"]),
            f"{UNSUPPORTED}: image 1: The",
        ),
    ],
)
def test_the_client_reads_what_is_wrong(ask: Ask, question: dict[str, Any], said: str) -> None:
    """In the words of the problem."""
    with pytest.raises(TritonError, match=said):
        ask("infer", **{"model": MODEL, **pose_images([encode_grey()]), **question})


def test_the_client_sends_a_key(closed: Service, triton: Triton, protocol: str) -> None:
    """Without one it may ask whether the service is ready, and no more."""
    url = f"127.0.0.1:{closed.port if protocol == 'http' else closed.grpc_port}"
    given = pose_images([SEVEN.read_bytes()])
    assert triton.ask(protocol, url, "is_server_ready") is True
    with pytest.raises(TritonError, match=f"{UNAUTHORIZED}: Send a key"):
        triton.ask(protocol, url, "infer", model=MODEL, **given)
    headers = {"authorization": f"Bearer {ANN}"}
    assert triton.ask(protocol, url, "infer", model=MODEL, headers=headers, **given)["outputs"]


def test_a_length_that_lies_is_a_problem(service: Service) -> None:
    """Through the proxy too."""
    url = f"{service.url}/v2/models/{MODEL}/infer"
    answered = httpx.post(url, content=b"{}", headers={LENGTH: "3"})
    assert answered.status_code == 422
    assert answered.json()["error"].startswith(f"header {LENGTH}")
    read_problem(httpx.get(f"{service.url}/v2/models/other"), NotFoundError)
