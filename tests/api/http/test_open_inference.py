"""/v2: the Open Inference Protocol, what it answers and what it refuses."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from app.api.http.open_inference_codec import LENGTH
from app.api.open_inference.tensors import MAX_VALUES, Tensor, write_raw
from app.auth.keys import parse_keys
from app.backend import Group, Scored
from app.errors import (
    DeadlineExceededError,
    ImageTooLargeError,
    InternalError,
    InvalidRequestError,
    MethodNotAllowedError,
    ModelUnavailableError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    ProblemError,
    UnauthorizedError,
    UndecodableImageError,
    UnsupportedMediaTypeError,
)
from app.prediction.predictor import Predictor
from tests.support.fake_backend import DESCRIPTION, FakeBackend
from tests.support.http_app import LIMITS, MAX_BYTES, URL, answer, get, open_client, open_predictor
from tests.support.problems import read_problem
from tests.support.uploads import REFUSED, encode_grey, encode_png_header, make_upload

MODEL = f"/v2/models/{DESCRIPTION.model_id}"
HUB = replace(DESCRIPTION, model_id="owner/name", revision="first")
LABELS = len(DESCRIPTION.labels)
Body = dict[str, Any]


def make_input(*images: bytes, **changes: object) -> Body:
    """Make the input of encoded images, as JSON has it; `None` takes a field out."""
    data = [base64.b64encode(image).decode() for image in images]
    given = {"name": "image", "datatype": "BYTES", "shape": [len(images)], "data": data} | changes
    return {name: value for name, value in given.items() if value is not None}


def make_array(kind: str, level: int = 255) -> NDArray[Any]:
    """Make two grey images as an array."""
    array = np.full((2, 4, 6, 3), level, np.uint8)
    return array if kind == "UINT8" else (array / 255).astype(np.float32)


def send(body: object, path: str = f"{MODEL}/infer") -> httpx.Request:
    """Send JSON."""
    return httpx.Request("POST", URL + path, json=body)


def send_input(**changes: object) -> httpx.Request:
    """Send one good image, with changes to the input."""
    return send({"inputs": [make_input(encode_grey(), **changes)]})


def send_binary(
    body: Body, binary: bytes, length: str | None = None, content_type: str | None = None
) -> httpx.Request:
    """Send JSON and bytes behind it."""
    text = json.dumps(body).encode()
    headers = {LENGTH: str(len(text)) if length is None else length}
    if content_type is not None:
        headers["Content-Type"] = content_type
    return httpx.Request("POST", f"{URL}{MODEL}/infer", content=text + binary, headers=headers)


def send_raw(tensor: Tensor, **more: object) -> httpx.Request:
    """Send a tensor as bytes."""
    raw = write_raw(tensor)
    given = {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.shape),
        "parameters": {"binary_data_size": len(raw)},
    }
    return send_binary({"inputs": [given], **more}, raw)


def read_outputs(response: httpx.Response) -> dict[str, list[Any]]:
    """Read the outputs of an answer in JSON, by name, row by row."""
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["model_name"], body["model_version"]) == ("fake", "first")
    for one in body["outputs"]:
        assert len(one["data"]) == np.prod(one["shape"])
    return {one["name"]: np.reshape(one["data"], one["shape"]).tolist() for one in body["outputs"]}


def expect_rows(*levels: int) -> list[Any]:
    """Ask /predict for scores and logits of grey images."""
    query = "scores=all&logits=true"
    answers = [answer(make_upload(encode_grey(one), query, url=URL)).json() for one in levels]
    return [[one["scores"], one["logits"]] for one in answers]


def test_encoded_images_get_the_numbers_of_predict() -> None:
    """Scores and logits of each, in their order, more of them than a batch has."""
    levels = [0, 64, 128, 192, 255, 30]
    body = {"id": "mine", "inputs": [make_input(*map(encode_grey, levels))]}
    response = answer(send(body))
    outputs = read_outputs(response)
    assert list(outputs) == ["scores", "logits"]
    rows = [list(row) for row in zip(outputs["scores"], outputs["logits"], strict=True)]
    assert rows == expect_rows(*levels)
    assert response.json()["id"] == "mine"
    assert LENGTH not in response.headers


@pytest.mark.parametrize("kind", ["UINT8", "FP32"])
@pytest.mark.parametrize("form", ["flat", "nested", "binary"])
def test_arrays_are_images_too(kind: str, form: str) -> None:
    """In a flat list, in lists of lists, and as bytes."""
    array = make_array(kind)
    given = {"name": "image", "datatype": kind, "shape": list(array.shape)}
    if form == "binary":
        request = send_raw(
            Tensor("image", "UINT8" if kind == "UINT8" else "FP32", array.shape, array)
        )
    else:
        data = array.ravel() if form == "flat" else array
        request = send({"inputs": [{**given, "data": data.tolist()}]})
    outputs = read_outputs(answer(request))
    assert [outputs["scores"][1], outputs["logits"][1]] == expect_rows(255)[0]
    assert outputs["scores"][0] == outputs["scores"][1]


def test_bytes_of_images_follow_the_json() -> None:
    """With the length of each before it; and a data URI is base64 too."""
    images = [encode_grey(0), encode_grey(255)]
    outputs = read_outputs(answer(send_raw(Tensor("image", "BYTES", (2, 1), images))))
    assert outputs["logits"] == [logits for _, logits in expect_rows(0, 255)]
    uris = [f"data:image/png;base64,{base64.b64encode(image).decode()}" for image in images]
    nested = make_input(*images, shape=[2, 1], data=[[uri] for uri in uris])
    assert read_outputs(answer(send({"inputs": [nested]}))) == outputs


@pytest.mark.parametrize(
    ("more", "binary"),
    [
        ({"parameters": {"binary_data_output": True}}, ["scores", "logits"]),
        ({"outputs": [{"name": "logits", "parameters": {"binary_data": True}}]}, ["logits"]),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [
                    {"name": "logits", "parameters": {"binary_data": False}},
                    {"name": "scores", "parameters": {"unknown": 1}},
                ],
            },
            ["scores"],
        ),
    ],
)
def test_outputs_are_bytes_where_that_is_asked_for(more: Body, binary: list[str]) -> None:
    """Behind the JSON, in its order; a header tells where it ends."""
    response = answer(send({"inputs": [make_input(encode_grey())], **more}))
    end = int(response.headers[LENGTH])
    assert response.headers["content-type"] == "application/octet-stream"
    told, rest = json.loads(response.content[:end]), response.content[end:]
    scores, logits = expect_rows(255)[0]
    for one in told["outputs"]:
        expected = scores if one["name"] == "scores" else logits
        assert ("data" not in one) == (one["name"] in binary)
        size = one.get("parameters", {}).get("binary_data_size", 0)
        values = one.get("data") or np.frombuffer(rest[:size], "<f4").tolist()
        assert values == expected
        rest = rest[size:]
    assert rest == b""


@pytest.mark.parametrize("count", [1, 3, LABELS, 1000])
@pytest.mark.parametrize("name", ["scores", "logits"])
def test_classification_names_the_best(name: str, count: int) -> None:
    """As text, value, index and label, the best first; no more than there are labels."""
    asked = {"name": name, "parameters": {"classification": count}}
    body = {"inputs": [make_input(encode_grey(255), encode_grey(0))], "outputs": [asked]}
    first, second = read_outputs(answer(send(body)))[name]
    assert len(first) == len(second) == min(count, LABELS)
    values = expect_rows(255)[0][0 if name == "scores" else 1]
    assert first[0] == f"{values[4]:f}:4:white"
    assert [text.split(":")[1] for text in second] == ["0", "1", "2", "3", "4"][:count]


def test_null_is_as_good_as_leaving_out() -> None:
    """Some JSON libraries write every field; nulls of limited fields once were a 500."""
    one = make_input(encode_grey(), parameters={"binary_data_size": None})
    outputs = [{"name": "scores", "parameters": {"classification": None, "binary_data": None}}]
    body = {"id": None, "parameters": None, "inputs": [one], "outputs": outputs}
    assert read_outputs(answer(send(body)))["scores"] == [expect_rows(255)[0][0]]


def test_what_is_known_of_the_service_and_the_model() -> None:
    """As other servers of the protocol tell it."""
    assert answer(get("/v2")).json()["extensions"] == ["classification", "binary_tensor_data"]
    assert answer(get("/v2/health/live")).json() == {"live": True}
    assert answer(get("/v2/health/ready")).json() == {"ready": True}
    assert answer(get(f"{MODEL}/ready")).json() == {"name": "fake", "ready": True}
    told = answer(get(MODEL)).json()
    assert (told["name"], told["versions"], told["platform"]) == ("fake", ["first"], "torch fp32")
    assert [(one["name"], one["shape"]) for one in told["outputs"]] == [
        ("scores", [-1, LABELS]),
        ("logits", [-1, LABELS]),
    ]


@pytest.mark.parametrize("version", ["", "/versions/first"])
@pytest.mark.parametrize("name", ["owner/name", "owner%2Fname"])
def test_a_name_may_have_slashes(name: str, version: str) -> None:
    """As Hub ids have, with or without its version."""
    path = f"/v2/models/{name}{version}"
    for request in (
        get(path),
        get(f"{path}/ready"),
        send({"inputs": [make_input(encode_grey())]}, f"{path}/infer"),
    ):
        response = answer(request, FakeBackend(HUB))
        assert response.status_code == 200
        assert "owner/name" in response.text


@pytest.mark.parametrize(
    "path", ["/v2/models/other", "/v2/models/fake/versions/1", "/v2/models/fak", "/v2/models/"]
)
def test_another_model_is_not_found(path: str) -> None:
    """Nor another version; the problem says what is served."""
    body = {"inputs": [make_input(encode_grey())]}
    for request in (get(path), get(f"{path}/ready"), send(body, f"{path}/infer")):
        detail = read_problem(answer(request), NotFoundError).detail
        assert "fake in version first" in detail


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (get("/v2/nothing"), NotFoundError),
        (httpx.Request("POST", f"{URL}/v2"), MethodNotAllowedError),
        (send({}), InvalidRequestError),
        (send_input(shape=[7]), InvalidRequestError),
        (
            httpx.Request("POST", f"{URL}{MODEL}/infer", headers={"Content-Length": "1" * 9}),
            PayloadTooLargeError,
        ),
    ],
    ids=["no path", "no method", "no JSON", "a wrong one", "too long"],
)
def test_every_problem_has_the_member_that_the_protocol_reads(
    request_: httpx.Request, error: type[ProblemError]
) -> None:
    """`error`, wherever the problem comes from; other paths have it not."""
    problem = read_problem(answer(request_), error)
    assert problem.error == problem.detail
    assert read_problem(answer(get("/v3")), NotFoundError).error is None


class BrokenBackend(FakeBackend):
    """A classifier with a defect."""

    async def predict(self, group: Group) -> Scored:
        """Raise what is none of our errors."""
        raise RuntimeError(str(len(group.pixels)))


def test_a_defect_is_an_internal_error_with_that_member() -> None:
    """As any other problem."""
    problem = read_problem(answer(send_input(), BrokenBackend()), InternalError)
    assert problem.error == problem.detail


INPUTS: Final[dict[str, tuple[Body, str]]] = {
    "unknown datatype": ({"datatype": "FP16"}, "BYTES"),
    "no datatype": ({"datatype": None}, "datatype"),
    "no name": ({"name": None}, "name"),
    "another name": ({"name": "picture"}, "`image`"),
    "no shape": ({"shape": None}, "shape"),
    "a shape of text": ({"shape": ["one"]}, "shape"),
    "an empty shape": ({"shape": []}, "dimensions"),
    "a shape too long": ({"shape": [1] * 10_000}, "shape"),
    "a shape too large": ({"shape": [2]}, "2 elements, not 1"),
    "a shape too small": ({"shape": [1], "data": ["", ""]}, "1 elements, not 2"),
    "a shape beyond numbers": ({"shape": [10**400]}, "dimension"),
    "too many": ({"shape": [65], "data": [""] * 65}, "65 images; send 1 to 64"),
    "far too many": ({"shape": [2000], "data": [""] * 2000}, "1024"),
    "no data": ({"data": None}, "one of them"),
    "data of two kinds": ({"parameters": {"binary_data_size": 0}}, "one of them"),
    "bytes that do not come": ({"data": None, "parameters": {"binary_data_size": 9}}, "0 bytes"),
    "a size of text": ({"data": None, "parameters": {"binary_data_size": "x"}}, "binary_data_size"),
    "a negative size": ({"data": None, "parameters": {"binary_data_size": -1}}, "binary_data_size"),
    "bad base64": ({"data": ["no!"]}, "inputs 0 data 0"),
    "a number for BYTES": ({"data": [7]}, "base64"),
    "a list too deep": ({"data": [[[[[[""]]]]]]}, "base64"),
    "a ragged list": ({"shape": [2], "data": [[""], ""]}, "base64"),
    "data of text": ({"data": "abc"}, "data"),
    "an object for FP32": ({"datatype": "FP32", "data": [{}]}, "FP32"),
    "2 for FP32": ({"datatype": "FP32", "shape": [1, 1, 1, 3], "data": [0, 0.5, 2]}, "image 0: "),
    "more than float32": (
        {"datatype": "FP32", "shape": [1, 1, 1, 3], "data": [0, 0.5, 1e300]},
        "image 0: ",
    ),
}
"""By name: changes to a good input, and a word of the error."""


@pytest.mark.parametrize("name", INPUTS)
def test_a_bad_input_is_an_invalid_request(name: str) -> None:
    """The error says what is wrong with it, in few words."""
    changes, word = INPUTS[name]
    detail = read_problem(answer(send_input(**changes)), InvalidRequestError).detail
    assert word in detail
    assert len(detail) <= 1000


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ([], "body"),
        ({}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [{}]}, "inputs"),
        ({"inputs": {}}, "inputs"),
        ({"inputs": [make_input(b"")] * 2}, "inputs"),
        ({"inputs": [0] * 10_000}, "inputs"),
        ({"inputs": [make_input(b"")], "outputs": [{}]}, "outputs"),
        ({"inputs": [make_input(b"")], "outputs": [{"name": "x"}]}, "`scores` and `logits`"),
        ({"inputs": [make_input(b"")], "outputs": [{"name": "scores"}] * 2}, "twice"),
        ({"inputs": [make_input(b"")], "outputs": [{"name": "scores"}] * 99}, "outputs"),
        ({"inputs": [make_input(b"")], "id": 7}, "id"),
        ({"inputs": [make_input(b"")], "id": "x" * 1001}, "id"),
        ({"inputs": [make_input(b"")], "parameters": 7}, "parameters"),
        (
            {
                "inputs": [make_input(b"")],
                "outputs": [{"name": "scores", "parameters": {"classification": -1}}],
            },
            "classification",
        ),
        (
            {
                "inputs": [make_input(b"")],
                "outputs": [{"name": "scores", "parameters": {"binary_data": 0}}],
            },
            "Input should be a valid boolean",
        ),
        (
            {"inputs": [make_input(b"")], "parameters": {"binary_data_output": "yes"}},
            "binary_data_output: Input should be a valid boolean",
        ),
    ],
)
def test_a_bad_json_body_is_an_invalid_request(body: object, word: str) -> None:
    """The field is named."""
    assert word in read_problem(answer(send(body)), InvalidRequestError).detail


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"null", b'{"inputs": ' + b"[" * 10_000])
def test_what_is_no_json_is_an_invalid_request(content: bytes) -> None:
    """Whatever it is."""
    request = httpx.Request("POST", f"{URL}{MODEL}/infer", content=content)
    assert "body" in read_problem(answer(request), InvalidRequestError).detail


def test_what_other_servers_know_is_ignored() -> None:
    """Fields and parameters that have no meaning here."""
    more = {"parameters": {"sequence_id": 1, "priority": 2, "timeout": 5}, "model_name": "x"}
    given = make_input(encode_grey(), parameters={"content_type": "image"}, more=[1])
    assert read_outputs(answer(send({"inputs": [given], **more})))


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data; boundary=x", "image/png"]
)
def test_another_content_type_is_refused(content_type: str) -> None:
    """A page of another origin cannot send it without being allowed to."""
    body = {"inputs": [make_input(encode_grey())]}
    request = send_binary(body, b"", content_type=content_type)
    read_problem(answer(request), UnsupportedMediaTypeError)


def test_a_compressed_body_is_refused() -> None:
    """It would not be bounded by its length."""
    request = send({})
    request.headers["Content-Encoding"] = "gzip"
    assert "Content-Encoding" in read_problem(answer(request), UnsupportedMediaTypeError).detail


@pytest.mark.parametrize("length", ["-1", "x", "", "1e3", "9" * 5000, "100000", "٣", " "])
def test_a_length_of_the_json_that_cannot_be_is_refused(length: str) -> None:
    """It is 0 to the length of the body."""
    text = json.dumps({"inputs": [make_input(b"")]}).encode()
    request = httpx.Request(
        "POST",
        f"{URL}{MODEL}/infer",
        content=text,
        headers={LENGTH.encode(): length.encode()},
    )
    assert LENGTH in read_problem(answer(request), InvalidRequestError).detail


@pytest.mark.parametrize(
    ("size", "binary", "word"),
    [
        (100, b"\0" * 99, "99 bytes follow"),
        (99, b"\0" * 100, "100 bytes follow"),
        (4, b"\x05\0\0\0", "5 bytes, but 0 follow"),
        (10**30, b"\0" * 8, "8 bytes follow"),
    ],
)
def test_bytes_that_are_cut_short_or_long_are_refused(size: int, binary: bytes, word: str) -> None:
    """By what is announced, and by what they say themselves."""
    given = make_input(b"", data=None, parameters={"binary_data_size": size})
    problem = read_problem(answer(send_binary({"inputs": [given]}, binary)), InvalidRequestError)
    assert word in problem.detail


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_image_fails_the_request(name: str) -> None:
    """With its error, which tells which it is."""
    data, error = REFUSED[name]
    images = [encode_grey(), encode_grey(0), data]
    problem = read_problem(answer(send({"inputs": [make_input(*images)]})), error)
    assert problem.detail.startswith("image 2: ")


def test_the_largest_array_is_bounded_as_any_image() -> None:
    """In bytes, whatever its kind."""
    array = np.zeros((1, 150, 150, 3), np.uint8)
    request = send_raw(Tensor("image", "UINT8", array.shape, array))
    problem = read_problem(answer(request), PayloadTooLargeError)
    assert problem.detail.startswith("image 0: ")
    limits = replace(LIMITS, max_pixels=20_000, max_bytes=1_000_000)
    read_problem(answer(request, limits=limits), ImageTooLargeError)


def test_the_json_is_as_long_as_one_image_takes() -> None:
    """Bytes behind it may be many images; it may not, because parsing blocks the event loop."""
    large = encode_grey() + bytes(MAX_BYTES - len(encode_grey()))
    assert answer(send({"inputs": [make_input(large)]})).status_code == 200
    raw = Tensor("image", "BYTES", (8,), [large] * 8)
    assert answer(send_raw(raw)).status_code == 200
    problem = read_problem(answer(send({"inputs": [make_input(*raw.data)]})), PayloadTooLargeError)
    assert "JSON" in problem.detail


@pytest.mark.parametrize(
    "data",
    [
        b"0," * MAX_VALUES + b"0",
        b"[1]," * MAX_VALUES + b"[]",
        (b"[" * 100 + b"]" * 100 + b",") * 6000 + b"0",
    ],
    ids=["numbers", "lists", "deep lists"],
)
def test_json_of_many_values_is_refused_unparsed(data: bytes) -> None:
    """It would hold up the event loop; bytes do not."""
    text = b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1],"data":[%b]}]}' % data
    request = httpx.Request("POST", f"{URL}{MODEL}/infer", content=text)
    started = time.process_time()
    response = answer(request, limits=replace(LIMITS, max_bytes=10_000_000))
    assert str(MAX_VALUES) in read_problem(response, PayloadTooLargeError).detail
    assert time.process_time() - started < 1


def test_all_bytes_together_have_a_limit() -> None:
    """A mebibyte for each of `VITRINE_MAX_BULK`, as in bulk."""
    headers = {"Content-Length": str(65 << 20)}
    request = httpx.Request("POST", f"{URL}{MODEL}/infer", headers=headers)
    read_problem(answer(request), PayloadTooLargeError)


def test_a_body_that_ends_early_is_refused() -> None:
    """Nothing of it is classified."""

    async def stream() -> AsyncIterator[bytes]:
        yield b'{"inputs": [{"name": "image", "da'

    request = httpx.Request("POST", f"{URL}{MODEL}/infer", content=stream())
    read_problem(answer(request), InvalidRequestError)


@pytest.mark.parametrize("path", ["/v2", MODEL, f"{MODEL}/ready", "/v2/health/live/x"])
def test_an_unauthenticated_client_learns_nothing(path: str) -> None:
    """But for what an orchestrator asks, a key is needed; the problem has the protocol's member."""

    async def ask() -> list[httpx.Response]:
        async with open_client(FakeBackend(), keys=parse_keys("ann:the-secret-of-ann")) as client:
            return [
                await client.get(path),
                await client.send(send_input()),
                await client.get("/v2/health/ready"),
            ]

    closed, refused, opened = asyncio.run(ask())
    for response in (closed, refused):
        problem = read_problem(response, UnauthorizedError)
        assert problem.error == problem.detail
    assert opened.status_code == 200


def test_a_model_that_fails_is_not_ready() -> None:
    """Neither the service nor the model."""
    backend = FakeBackend()
    backend.fail(ModelUnavailableError("gone"))
    for path in ("/v2/health/ready", f"{MODEL}/ready", MODEL):
        read_problem(answer(get(path), backend), ModelUnavailableError)
    assert answer(get("/v2/health/live"), backend).status_code == 200


@pytest.mark.parametrize("limit", [LIMITS, replace(LIMITS, max_queue=2)])
def test_a_request_of_many_images_takes_no_more_slots_than_a_batch(limit: Any) -> None:  # noqa: ANN401 - Limits
    """So it fits where fewer are admitted than it has."""
    request = send({"inputs": [make_input(*[encode_grey()] * 12)]})
    assert answer(request, limits=limit).status_code == 200


def test_time_that_is_up_fails_the_request() -> None:
    """Before the model is there, and while it is asked."""

    async def ask(*, is_known: bool) -> httpx.Response:
        backend = FakeBackend()
        async with open_client(backend) as client:
            if is_known:
                await client.get("/labels")
            backend.hang()
            request = send_input()
            request.headers["X-Request-Timeout-Seconds"] = "0.2"
            return await client.send(request)

    for is_known in (True, False):
        read_problem(asyncio.run(ask(is_known=is_known)), DeadlineExceededError)


async def test_a_server_at_capacity_refuses() -> None:
    """And frees what the request held."""
    backend = FakeBackend()
    async with open_client(backend, replace(LIMITS, max_queue=1)) as client:
        await client.get("/labels")
        backend.hang()
        task = asyncio.create_task(client.send(make_upload(encode_grey(), url=URL)))
        await backend.wait_for_groups(1)
        refused = await client.send(send_input())
        backend.resume()
        assert (await task).status_code == 200
        assert (await client.send(send_input())).status_code == 200
    read_problem(refused, OverloadedError)


class TurningBackend(FakeBackend):
    """A classifier whose revision changes with every group."""

    async def predict(self, group: Group) -> Scored:
        """Change, then answer."""
        self.switch_revision(f"number {len(self.groups)}")
        return await super().predict(group)


def test_all_images_of_an_answer_are_of_one_revision() -> None:
    """While the model changes a request of many is refused, to be sent again; one image is not."""
    body = {"inputs": [make_input(*map(encode_grey, range(0, 250, 10)))]}
    problem = read_problem(answer(send(body), TurningBackend()), ModelUnavailableError)
    assert "being changed" in problem.detail
    answered = answer(send_input(), TurningBackend()).json()
    assert answered["model_version"] == "number 0"
    named = send({"inputs": [make_input(encode_grey())]}, f"{MODEL}/versions/first/infer")
    assert "number 0" in read_problem(answer(named, TurningBackend()), NotFoundError).detail


async def test_the_first_bad_image_ends_the_others() -> None:
    """Nothing of the request goes on, and its slots are free."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    async with open_predictor(predictor) as client:
        await client.get("/labels")
        backend.hang()
        body = {"inputs": [make_input(encode_grey(), encode_grey(), b"no image")]}
        response, images = await client.send(send(body)), predictor.admission.images
    assert read_problem(response, UnsupportedMediaTypeError).detail.startswith("image 2: ")
    assert images == 0


def test_an_image_of_many_pixels_is_refused_by_its_header() -> None:
    """As everywhere."""
    body = {"inputs": [make_input(encode_png_header(100_000, 100_000))]}
    read_problem(answer(send(body)), ImageTooLargeError)
    read_problem(answer(send({"inputs": [make_input(b"")]})), UndecodableImageError)
