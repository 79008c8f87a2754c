"""POST /hf: what Hugging Face's own client asks for and reads, and what is refused."""

import base64

import httpx
import numpy as np
import pytest

from app.errors import InvalidRequestError, UnsupportedMediaTypeError
from tests.support.http_app import URL, answer
from tests.support.problems import read_problem
from tests.support.uploads import REFUSED, encode_grey

IMAGE = encode_grey(0)
LOGITS = np.array([0, -2.5, -5, -7.5, -10], np.float32)


def send(body: object = None, data: bytes | None = None, content_type: str = "") -> httpx.Response:
    """Send JSON, or bytes."""
    if data is None:
        return answer(httpx.Request("POST", f"{URL}/hf", json=body))
    headers = {"Content-Type": content_type}
    return answer(httpx.Request("POST", f"{URL}/hf", content=data, headers=headers))


def read_scores(response: httpx.Response) -> list[float]:
    """Read the scores of a bare list of label and score."""
    assert response.status_code == 200, response.text
    assert [set(one) for one in response.json()] == [{"label", "score"}] * len(response.json())
    return [one["score"] for one in response.json()]


@pytest.mark.parametrize("content_type", ["", "image/png", "application/octet-stream"])
def test_bytes_get_a_bare_list(content_type: str) -> None:
    """Five labels, the best first, as softmax has them."""
    response = send(data=IMAGE, content_type=content_type)
    exponents = np.exp(LOGITS)
    np.testing.assert_allclose(read_scores(response), exponents / exponents.sum(), rtol=1e-5)
    assert response.json()[0]["label"] == "black"


@pytest.mark.parametrize(
    ("function", "expected"),
    [("none", LOGITS), ("sigmoid", 1 / (1 + np.exp(-LOGITS)))],
)
@pytest.mark.parametrize("top_k", [1, 3, 5, 1000])
def test_parameters_are_those_of_the_task(
    function: str, expected: np.ndarray[tuple[int], np.dtype[np.float32]], top_k: int
) -> None:
    """`top_k` above the number of labels gives all, as transformers' pipeline does."""
    parameters = {"top_k": top_k, "function_to_apply": function}
    body = {"inputs": base64.b64encode(IMAGE).decode(), "parameters": parameters}
    np.testing.assert_allclose(read_scores(send(body)), expected[:top_k], rtol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_image_is_refused_as_everywhere(name: str) -> None:
    """In both ways to send it."""
    data, error = REFUSED[name]
    read_problem(send(data=data, content_type="image/png"), error)
    read_problem(send({"inputs": base64.b64encode(data).decode()}), error)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "body inputs"),
        ([], "body"),
        ({"inputs": 7}, "body inputs"),
        ({"inputs": "no!"}, "body inputs"),
        ({"inputs": "", "parameters": {"top_k": 0}}, "body parameters top_k"),
        ({"inputs": "", "parameters": {"function_to_apply": "relu"}}, "function_to_apply"),
        ({"inputs": "", "parameters": 7}, "body parameters"),
    ],
)
def test_json_that_is_wrong_is_an_invalid_request(body: object, word: str) -> None:
    """The field is named."""
    assert word in read_problem(send(body), InvalidRequestError).detail


def test_json_that_is_none_is_an_invalid_request() -> None:
    """However deep it is."""
    for data in (b"{", b"\xff", b"[" * 10_000):
        response = send(data=data, content_type="application/json; charset=utf-8")
        assert "body" in read_problem(response, InvalidRequestError).detail


def test_a_form_is_no_task() -> None:
    """It goes to /predict."""
    response = send(data=b"", content_type="multipart/form-data; boundary=x")
    read_problem(response, UnsupportedMediaTypeError)
