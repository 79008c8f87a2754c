"""Every row of the error table, as the client sees it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from app.api.http.factory import FORM_OVERHEAD
from app.backend import Group, Scored
from app.errors import (
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    MethodNotAllowedError,
    ModelUnavailableError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    ProblemError,
)
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, MAX_BYTES, URL, answer, get, open_client
from tests.support.problems import read_problem
from tests.support.uploads import BAD_OPTIONS, REFUSED, encode_grey, make_upload

_GOOD = encode_grey()
_BOUNDARY = "multipart/form-data; boundary=cut"
_PART = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'


class BrokenBackend(FakeBackend):
    """A classifier with an unforeseen defect."""

    async def predict(self, group: Group) -> Scored:
        """Raise what is none of our errors."""
        secret = f"secret of {len(group.pixels)} images"
        raise RuntimeError(secret)


def post(content: bytes, content_type: str) -> httpx.Request:
    """Make a request with a body of any kind."""
    return httpx.Request(
        "POST", f"{URL}/predict", content=content, headers={"Content-Type": content_type}
    )


def upload(*names: str) -> httpx.Request:
    """Make a request with one good image for each name."""
    files = [(name, ("a.png", _GOOD, "image/png")) for name in names]
    return httpx.Request("POST", f"{URL}/predict", files=files)


FORMS: dict[str, tuple[httpx.Request, str]] = {
    "no body": (httpx.Request("POST", f"{URL}/predict"), "file"),
    "another part": (upload("image"), "file"),
    "two parts named file": (upload("file", "file"), "file"),
    "two files": (upload("file", "other", "third"), "2"),
    "text instead of a file": (
        httpx.Request("POST", f"{URL}/predict", files={"file": (None, "seven")}),
        "file",
    ),
    "a form without parts": (
        httpx.Request("POST", f"{URL}/predict", data={"file": "seven"}),
        "file",
    ),
    "JSON": (httpx.Request("POST", f"{URL}/predict", json={"file": "seven"}), "file"),
    "the image as the body": (post(_GOOD, "image/png"), "file"),
    "no boundary": (post(b"abc", "multipart/form-data"), "boundary"),
    "no multipart": (post(b"abc", _BOUNDARY), "multipart"),
    "too many fields": (
        httpx.Request(
            "POST", f"{URL}/predict", files=[(f"f{index}", (None, "x")) for index in range(20)]
        ),
        "16",
    ),
    "a long field": (
        httpx.Request("POST", f"{URL}/predict", files={"text": (None, "x" * 20_000)}),
        "16",
    ),
}
"""By name: a request whose form is wrong, and a word that the error says."""


@pytest.mark.parametrize("name", FORMS)
def test_a_wrong_form_is_an_invalid_request(name: str) -> None:
    """Whatever is wrong with the form, the error says what."""
    request, word = FORMS[name]
    assert word in read_problem(answer(request), InvalidRequestError).detail


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Starlette's part
@pytest.mark.parametrize("body", [_PART, _PART + _GOOD[:30], _PART + _GOOD + b"\r\n--cut"])
def test_a_form_that_breaks_off_is_an_invalid_request(body: bytes) -> None:
    """A body that ends in the middle of a part is refused, not read as if it were whole."""
    read_problem(answer(post(body, _BOUNDARY)), InvalidRequestError)


@pytest.mark.parametrize("query", BAD_OPTIONS)
def test_a_wrong_option_is_an_invalid_request(query: str) -> None:
    """A wrong option is named, with what is allowed."""
    problem = read_problem(answer(make_upload(_GOOD, query, url=URL)), InvalidRequestError)
    assert f"{BAD_OPTIONS[query]}: " in problem.detail


def test_top_k_says_how_many_labels_there_are() -> None:
    """A top_k above the number of labels is told that number."""
    problem = read_problem(answer(make_upload(_GOOD, "top_k=6", url=URL)), InvalidRequestError)
    assert "1 to 5" in problem.detail


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Two wrong options and a missing part make one problem that names all three."""
    request = httpx.Request("POST", f"{URL}/predict?top_k=0&threshold=2")
    detail = read_problem(answer(request), InvalidRequestError).detail
    assert all(word in detail for word in ("top_k", "threshold", "file"))


@pytest.mark.parametrize("name", REFUSED)
def test_content_that_is_no_image_gets_its_row(name: str) -> None:
    """Content decides, not the name and type that the client gives: all are sent as image/jpeg."""
    data, error = REFUSED[name]
    read_problem(answer(make_upload(data, url=URL)), error)


@pytest.mark.parametrize("name", ["SVG", "PDF", "HTML", "zip", "pickle"])
def test_an_unsupported_type_is_named(name: str) -> None:
    """A client that sends something else is told what it looks like."""
    data, error = REFUSED[name]
    assert name.lower() in read_problem(answer(make_upload(data, url=URL)), error).detail


def test_an_image_above_the_limit_is_refused() -> None:
    """The limit is for the image: what the form adds does not count."""
    read_problem(answer(make_upload(bytes(MAX_BYTES + 1), url=URL)), PayloadTooLargeError)
    padded = _GOOD + bytes(MAX_BYTES - len(_GOOD))
    assert answer(make_upload(padded, url=URL)).status_code == 200


def test_a_body_announced_too_large_is_not_read() -> None:
    """Content-Length above the limit is refused before the first byte of the body."""
    read = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"x"

    headers = {"Content-Length": str(30_000_000), "Content-Type": _BOUNDARY}
    request = httpx.Request("POST", f"{URL}/predict", content=stream(), headers=headers)
    assert "30000000" in read_problem(answer(request), PayloadTooLargeError).detail
    assert read == 0


@pytest.mark.parametrize("length", ["9" * 5000, "0" * 30 + "30000000"])
def test_a_length_of_many_digits_is_too_large(length: str) -> None:
    """Python's `int` refuses 5,000 digits; the client still gets the problem of a large body."""
    request = httpx.Request(
        "POST", f"{URL}/predict", headers={"Content-Length": length, "Content-Type": _BOUNDARY}
    )
    read_problem(answer(request), PayloadTooLargeError)


def test_a_body_without_length_is_counted() -> None:
    """A chunked body is refused as soon as it passes the limit, whatever still comes."""
    sent = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal sent
        yield _PART
        while sent < 100 * MAX_BYTES:
            sent += 1000
            yield bytes(1000)

    request = httpx.Request(
        "POST", f"{URL}/predict", content=stream(), headers={"Content-Type": _BOUNDARY}
    )
    read_problem(answer(request), PayloadTooLargeError)
    assert sent <= MAX_BYTES + FORM_OVERHEAD + 1000


@pytest.mark.parametrize("path", ["/nothing", "/labels/7", "//", "/swagger/x"])
def test_an_unknown_path_is_not_found(path: str) -> None:
    """A path that is not there leads to the docs."""
    assert "/docs" in read_problem(answer(get(path)), NotFoundError).detail


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("PUT", "/predict", "POST"),
        ("POST", "/labels", "GET"),
        ("DELETE", "/health", "GET"),
        ("BREW", "/livez", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(method: str, path: str, allowed: str) -> None:
    """A method that a path does not have gets 405 and the Allow header."""
    response = answer(httpx.Request(method, URL + path))
    read_problem(response, MethodNotAllowedError)
    assert response.headers["allow"] == allowed


async def test_a_full_queue_is_overloaded() -> None:
    """One image more than the queue holds is refused at once; those inside are answered."""
    backend = FakeBackend()
    backend.hang()
    async with open_client(backend, replace(LIMITS, max_queue=2)) as client:
        request = [make_upload(_GOOD, url=URL) for _ in range(3)]
        inside = [asyncio.create_task(client.send(one)) for one in request[:2]]
        await asyncio.sleep(0.05)
        refused = await client.send(request[2])
        backend.resume()
        answered = await asyncio.gather(*inside)
    read_problem(refused, OverloadedError)
    assert [response.status_code for response in answered] == [200, 200]


def test_time_that_is_up_is_told() -> None:
    """A classifier that does not answer costs the client no more than the limit."""
    backend = FakeBackend()
    backend.hang()
    response = answer(make_upload(_GOOD, url=URL), backend, replace(LIMITS, timeout_s=0.05))
    assert "in time" in read_problem(response, DeadlineExceededError).detail


@pytest.mark.parametrize("error", [ModelUnavailableError, OverloadedError, InternalError])
@pytest.mark.parametrize("path", ["/predict", "/labels"])
def test_what_the_classifier_raises_is_its_row(path: str, error: type[ProblemError]) -> None:
    """An error of the classifier's is told as it is, on every route that asks it."""
    backend = FakeBackend()
    backend.fail(error("The words of the classifier."))
    request = make_upload(_GOOD, url=URL) if path == "/predict" else get(path)
    assert read_problem(answer(request, backend), error).detail == "The words of the classifier."


def test_the_unforeseen_gives_nothing_away() -> None:
    """A defect is an internal error with an id to quote, and no word of what happened."""
    response = answer(make_upload(_GOOD, url=URL), BrokenBackend())
    problem = read_problem(response, InternalError)
    assert problem.instance in problem.detail
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text


async def test_a_defect_costs_one_answer() -> None:
    """After an unforeseen error, and after every wrong form, the app answers on."""
    async with open_client(FakeBackend()) as client:
        for request, _ in FORMS.values():
            await client.send(request)
        result = [(await client.send(make_upload(_GOOD, url=URL))).status_code]
    assert result == [200]
