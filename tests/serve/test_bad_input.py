"""What clients should not send, through the whole service; after each it answers a good request."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.api.http.request_context import MAX_LINGER_BYTES
from app.errors import (
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    PayloadTooLargeError,
    ProblemError,
)
from tests.support.problems import read_problem
from tests.support.raw_requests import BOUNDARY, PART, assert_answers_on, make_head, send, send_raw
from tests.support.service import SEVEN, Service
from tests.support.uploads import BAD_OPTIONS, encode_grey, make_upload

_SEVEN = SEVEN.read_bytes()
_TOO_LARGE = 30_000_000


@pytest.fixture(autouse=True)
def _answers_on(service: Service) -> Iterator[None]:
    """After whatever a test sends, a good request is answered, and no traceback is logged."""
    yield
    assert_answers_on(service)


def stream_part(size: int) -> Iterator[bytes]:
    """Give a form's one part in pieces, so that it is sent without a length."""
    yield PART
    for _ in range(size // 100_000):
        yield bytes(100_000)
    yield b"\r\n--cut--\r\n"


def test_a_wrong_option_is_an_invalid_request(service: Service) -> None:
    """It is named."""
    for query, option in BAD_OPTIONS.items():
        problem = read_problem(
            send(make_upload(_SEVEN, query, url=service.url)), InvalidRequestError
        )
        assert option in problem.detail


def test_an_image_of_one_pixel_is_an_image(service: Service) -> None:
    """There is nothing wrong with one pixel."""
    response = send(make_upload(encode_grey(size=(1, 1)), url=service.url))
    assert response.status_code == 200
    assert response.json()["image"] == {"width": 1, "height": 1, "format": "PNG"}


def test_an_empty_body_is_an_invalid_request(service: Service) -> None:
    """No body at all is told which part is missing."""
    problem = read_problem(
        send(httpx.Request("POST", f"{service.url}/predict")), InvalidRequestError
    )
    assert "file" in problem.detail


@pytest.mark.parametrize("names", [["image"], ["file", "file"]], ids=["none", "two"])
def test_there_must_be_one_part_named_file(service: Service, names: list[str]) -> None:
    """No part of that name, and two of them, are told so."""
    files = [(name, ("a.png", _SEVEN, "image/png")) for name in names]
    request = httpx.Request("POST", f"{service.url}/predict", files=files)
    assert "file" in read_problem(send(request), InvalidRequestError).detail


@pytest.mark.parametrize("content_type", [BOUNDARY, "multipart/form-data", "text/plain", ""])
def test_a_body_that_is_no_form_is_an_invalid_request(service: Service, content_type: str) -> None:
    """A body that does not hold what its type says, or has another type, is refused."""
    headers = {"Content-Type": content_type}
    request = httpx.Request("POST", f"{service.url}/predict", content=_SEVEN, headers=headers)
    read_problem(send(request), InvalidRequestError)


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/predict", MethodNotAllowedError),
        ("PUT", "/predict", MethodNotAllowedError),
        ("DELETE", "/labels", MethodNotAllowedError),
        ("GET", "/nothing", NotFoundError),
    ],
)
def test_a_wrong_method_or_path_is_a_problem(
    service: Service, method: str, path: str, error: type[ProblemError]
) -> None:
    """What is not there is told as a problem."""
    response = send(httpx.Request(method, service.url + path))
    read_problem(response, error)
    assert ("allow" in response.headers) == (error is MethodNotAllowedError)


def test_an_upload_of_30_mb_is_told_its_limit(service: Service) -> None:
    """A client that sends all of it before it reads gets the typed answer, not a reset."""
    for _ in range(3):
        response = send(make_upload(bytes(_TOO_LARGE), url=service.url))
        problem = read_problem(response, PayloadTooLargeError)
        assert "bytes" in problem.detail


def test_a_chunked_upload_is_counted(service: Service) -> None:
    """An upload without length over the limit gets the same typed answer."""
    for _ in range(3):
        request = httpx.Request(
            "POST",
            f"{service.url}/predict",
            content=stream_part(_TOO_LARGE),
            headers={"Content-Type": BOUNDARY},
        )
        read_problem(send(request), PayloadTooLargeError)


def test_a_chunked_upload_within_the_limit_is_served(service: Service) -> None:
    """An image sent without a length is an image like another."""
    request = httpx.Request(
        "POST",
        f"{service.url}/predict",
        content=iter([PART, _SEVEN, b"\r\n--cut--\r\n"]),
        headers={"Content-Type": BOUNDARY},
    )
    assert send(request).json()["predictions"][0]["label"] == "7"


@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Expect:"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_curl_is_told_the_limit(
    service: Service, tmp_path: Path, expect: str, *, chunked: bool
) -> None:
    """Sent by curl in any way, 30 MB get the typed answer, and curl has no error of its own."""
    file = tmp_path / "large.jpg"
    file.write_bytes(bytes(_TOO_LARGE))
    command = ["curl", "--silent", "--show-error", "--header", expect, "--form", f"file=@{file}"]
    command += ["--header", "Transfer-Encoding: chunked"] if chunked else []
    done = subprocess.run(
        [*command, f"{service.url}/predict"], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["type"] == "urn:vitrine:problem:payload-too-large"


def test_a_large_body_where_none_belongs_is_refused(service: Service) -> None:
    """Routes that take no body refuse one that is too large, and the client can read that."""
    request = httpx.Request("GET", f"{service.url}/labels", content=bytes(_TOO_LARGE))
    read_problem(send(request), PayloadTooLargeError)


@pytest.mark.parametrize("header", ["Transfer-Encoding: chunked", "Content-Length: 9000000000"])
def test_an_upload_that_never_ends_is_cut_off(service: Service, header: str) -> None:
    """The client is told; and if it goes on nevertheless, not for long."""
    part, piece = PART, bytes(100_000)
    if "chunked" in header:
        part, piece = (b"%x\r\n%s\r\n" % (len(data), data) for data in (part, piece))
    head = make_head("POST /predict", f"Content-Type: {BOUNDARY}", header)
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(head + part + piece * (_TOO_LARGE // len(piece)))
        assert b" 413 " in connection.recv(65536)
        with pytest.raises(ConnectionError):
            connection.sendall(piece * (4 * MAX_LINGER_BYTES // len(piece)))


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "99999999999999999999999"])
def test_a_false_length_is_refused(service: Service, length: str) -> None:
    """A Content-Length that is no number, or no number of this world, is a client's error."""
    answer = send_raw(service, make_head("POST /predict", f"Content-Length: {length}"))
    assert answer.split(b" ")[1] in {b"400", b"413"}


HARDLY_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "long header": make_head("GET /livez", f"X: {'a' * 200_000}"),
    "NUL": make_head("GET /\x00"),
    "path not UTF-8": make_head("GET /%00%ff%fe"),
    "id not UTF-8": make_head("GET /livez", "X-Request-ID: \xff\xfe"),
    "timeout that is no number": make_head("GET /livez", "X-Request-Timeout-Seconds: x"),
    "bad chunk": make_head("POST /predict", "Transfer-Encoding: chunked") + b"zz\r\n",
    "two lengths": make_head("POST /predict", "Content-Length: 3", "Content-Length: 4") + b"abcd",
}


@pytest.mark.parametrize("name", HARDLY_HTTP)
def test_bytes_that_are_hardly_http_do_no_harm(service: Service, name: str) -> None:
    """Whatever comes over the wire, the answer holds no traceback and the service lives."""
    answer = send_raw(service, HARDLY_HTTP[name])
    assert b"Traceback" not in answer
    assert b".py" not in answer


def test_a_client_that_hangs_up_in_its_upload_does_no_harm(service: Service) -> None:
    """It is logged, and as no defect of ours.

    It hangs up once it is asked for its body: before that, HAProxy may drop it (`abortonclose`).
    """
    for index in range(3):
        head = make_head(
            "POST /predict",
            f"Content-Type: {BOUNDARY}",
            "Content-Length: 1000000",
            "Expect: 100-continue",
            f"X-Request-ID: left-{index}",
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
            client.sendall(head)
            assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
            client.sendall(PART)
        log = service.wait_for_log(f"left-{index}")
    assert '"level": "error"' not in log
