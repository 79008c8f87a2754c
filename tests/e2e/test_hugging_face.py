"""Hugging Face's own client, against the running service: nothing of it is changed."""

import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from tests.support.service import ANN, SEVEN, Service


def test_image_classification_works_unchanged(service: Service) -> None:
    """With a path, with bytes, and with the parameters that it has."""
    client = InferenceClient(model=f"{service.url}/hf")
    best, *others = client.image_classification(SEVEN)
    assert (best.label, len(others)) == ("7", 4)
    assert client.image_classification(SEVEN.read_bytes())[0] == best
    (alone,) = client.image_classification(SEVEN, top_k=1, function_to_apply="none")
    assert alone.label == "7"
    assert alone.score > 1


def test_a_refusal_reaches_the_caller(service: Service) -> None:
    """In the service's words."""
    client = InferenceClient(model=f"{service.url}/hf")
    with pytest.raises(HfHubHTTPError, match="415") as raised:
        client.image_classification(b"I am no picture.")
    assert raised.value.response is not None
    assert raised.value.response.json()["title"] == "Unsupported media type"


def test_a_token_is_a_key(closed: Service) -> None:
    """The client sends it as a Bearer token, which is one of the ways to send a key."""
    with pytest.raises(HfHubHTTPError, match="401"):
        InferenceClient(model=f"{closed.url}/hf", token="hf_other").image_classification(SEVEN)  # noqa: S106
    client = InferenceClient(model=f"{closed.url}/hf", token=ANN)
    assert client.image_classification(SEVEN)[0].label == "7"
