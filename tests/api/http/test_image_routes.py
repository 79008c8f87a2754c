"""Every image route: the same image gets the same answer, and what is no image its error."""

import base64
from collections.abc import AsyncIterator, Callable
from typing import Final

import httpx
import pytest

from app.api.http.image_sources import PIECE, SHORT, decode_base64
from app.auth.keys import parse_keys
from app.errors import (
    InvalidRequestError,
    PayloadTooLargeError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import MAX_BYTES, URL, answer, open_client
from tests.support.problems import read_problem
from tests.support.uploads import BAD_OPTIONS, REFUSED, encode_grey, make_upload


def send_raw(data: bytes, query: str = "", content_type: str = "image/png") -> httpx.Request:
    """Send the image as the body."""
    headers = {"Content-Type": content_type}
    return httpx.Request("POST", f"{URL}/predict/raw?{query}", content=data, headers=headers)


def send_json(data: bytes, query: str = "") -> httpx.Request:
    """Send the image as base64."""
    body = {"image": base64.b64encode(data).decode()}
    return httpx.Request("POST", f"{URL}/predict/json?{query}", json=body)


def send_data_uri(data: bytes, query: str = "") -> httpx.Request:
    """Send the image as a data URI whose lines are broken, and a null beside it."""
    uri = f"data:image/png;name=a;base64,{base64.encodebytes(data).decode()}"
    body = {"image": uri, "url": None}
    return httpx.Request("POST", f"{URL}/predict/json?{query}", json=body)


Send = Callable[[bytes, str], httpx.Request]
ROUTES: Final[dict[str, Send]] = {"raw": send_raw, "json": send_json, "data URI": send_data_uri}
ANY = pytest.mark.parametrize("send_image", ROUTES.values(), ids=ROUTES)


@ANY
@pytest.mark.parametrize("edge", [8, 128])
def test_an_answer_is_that_of_the_form(send_image: Send, edge: int) -> None:
    """Whichever way the image comes, however long its base64 is."""
    data, query = encode_grey(90, (edge, edge), "BMP"), "top_k=2&scores=all&logits=true"
    assert edge == 8 or len(data) * 4 / 3 > SHORT
    expected = answer(make_upload(data, query, url=URL))
    given = answer(send_image(data, query))
    assert (given.status_code, given.json()) == (200, expected.json())
    assert given.headers["server-timing"].startswith("decode;dur=")


@ANY
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_image_gets_the_error_of_the_form(send_image: Send, name: str) -> None:
    """Type and words are the same."""
    data, error = REFUSED[name]
    detail = read_problem(answer(make_upload(data, url=URL)), error).detail
    assert read_problem(answer(send_image(data, "")), error).detail == detail


@ANY
@pytest.mark.parametrize("query", BAD_OPTIONS)
def test_a_bad_option_is_an_invalid_request(send_image: Send, query: str) -> None:
    """It is named."""
    problem = read_problem(answer(send_image(encode_grey(), query)), InvalidRequestError)
    assert BAD_OPTIONS[query] in problem.detail


@ANY
def test_an_image_is_as_large_as_the_limit_and_no_larger(send_image: Send) -> None:
    """The limit is the image's; base64 may take more room."""
    png = encode_grey()
    largest = png + bytes(MAX_BYTES - len(png))
    assert answer(send_image(largest, "")).status_code == 200
    read_problem(answer(send_image(largest + b"0", "")), PayloadTooLargeError)


@ANY
@pytest.mark.parametrize("announces", [True, False])
def test_a_body_beyond_the_limit_is_not_read_to_its_end(
    send_image: Send, *, announces: bool
) -> None:
    """By its announced length, or when it is too long."""
    request = send_image(b"", "")
    read = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 10_000
            yield bytes(10_000)

    headers = {"Content-Type": request.headers["content-type"]}
    if announces:
        headers["Content-Length"] = "1000000"
    sent = httpx.Request("POST", request.url, content=stream(), headers=headers)
    read_problem(answer(sent), PayloadTooLargeError)
    assert read <= (0 if announces else 3 * MAX_BYTES)


@pytest.mark.parametrize("content_type", ["", "image/webp", "IMAGE/*", "application/octet-stream"])
def test_bytes_come_as_an_image_or_as_bytes(content_type: str) -> None:
    """What they are, their content says; and curl sends them as a form that is none."""
    assert answer(send_raw(encode_grey(), "", content_type)).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain"])
def test_bytes_do_not_come_as_something_else(content_type: str) -> None:
    """A form or JSON has its own path."""
    answered = answer(send_raw(encode_grey(), "", content_type))
    assert "image/*" in read_problem(answered, UnsupportedMediaTypeError).detail


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x"])
def test_json_does_not_come_as_something_else(content_type: str) -> None:
    """Nor does a page of another origin send it without being allowed to."""
    request = httpx.Request(
        "POST", f"{URL}/predict/json", content=b"{}", headers={"Content-Type": content_type}
    )
    assert "application/json" in read_problem(answer(request), UnsupportedMediaTypeError).detail


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{}", "one of them"),
        (b'{"image": "", "url": "http://cdn.example/"}', "one of them"),
        (b'{"url": "http://cdn.example/"}', "VITRINE_ALLOW_URLS"),
        (b'{"url": 7}', "body url"),
        (b"[]", "body"),
        (b'{"image": ', "body"),
        (b"\xff", "body"),
        (b'{"image": 7}', "body image"),
        (b'{"image": "abc"}', "base64"),
        (b'{"image": "a!!c"}', "base64"),
        (b'{"image": "\xc3\xa4bcd"}', "base64"),
        (b'{"image": "data:image/png,abc"}', "base64"),
        (b'{"image": "YQ==YQ=="}', "base64"),
        (b'{"image": "", "picture": ""}', "body picture"),
    ],
)
def test_json_that_is_wrong_is_an_invalid_request(body: bytes, word: str) -> None:
    """The error names the field, or says that it is no base64."""
    headers = {"Content-Type": "application/json"}
    request = httpx.Request("POST", f"{URL}/predict/json", content=body, headers=headers)
    assert word in read_problem(answer(request), InvalidRequestError).detail


@pytest.mark.parametrize("size", [0, 1, 2, PIECE, 3 * PIECE // 4 - 1, 3 * PIECE // 4, 3 * PIECE])
def test_long_base64_is_decoded_in_pieces(size: int) -> None:
    """Nothing is lost or taken for good where they meet."""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    text = base64.b64encode(data).decode()
    assert decode_base64(text, "image") == data
    assert decode_base64(base64.encodebytes(data).decode(), "image") == data
    padded = "A" * (PIECE - 4) + "YQ==" + "AAAA"
    with pytest.raises(InvalidRequestError, match="padding"):
        decode_base64(padded, "image")


@ANY
async def test_every_route_asks_for_a_key(send_image: Send) -> None:
    """Where the service has keys."""
    async with open_client(FakeBackend(), keys=parse_keys("ann:the-secret-of-ann")) as client:
        result = await client.send(send_image(encode_grey(), ""))
    read_problem(result, UnauthorizedError)
