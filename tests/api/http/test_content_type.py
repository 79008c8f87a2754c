"""A form's Content-Type can neither cost much nor leave anything behind."""

import encodings
import time

import httpx
import pytest

from app.api.http.content_type import check_form
from app.errors import InvalidRequestError
from tests.support.http_app import URL, answer
from tests.support.problems import read_problem
from tests.support.uploads import encode_grey, make_upload

_BODY = (
    b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    + encode_grey()
    + b"\r\n--cut--\r\n"
)


def send(content_type: str) -> httpx.Response:
    """Send a good form with this Content-Type."""
    headers = {"Content-Type": content_type}
    return answer(httpx.Request("POST", f"{URL}/predict", content=_BODY, headers=headers))


@pytest.mark.parametrize(
    "charset", ["", "; charset=utf-8", '; Charset = "UTF-8"', "; charset=utf8"]
)
def test_utf_8_may_be_named(charset: str) -> None:
    """A client that names the encoding which a form has anyway is served."""
    assert send(f"multipart/form-data; boundary=cut{charset}").status_code == 200


@pytest.mark.parametrize(
    "charset",
    ["latin-1", "undefined", "idna", "unicode_escape", "zip", '"rot13"', 'ut"f-7', "utf-16; x=y"],
)
def test_another_encoding_is_an_invalid_request(charset: str) -> None:
    """No other encoding is looked up, not even where the name is put in an odd way."""
    response = send(f"multipart/form-data; boundary=cut; charset={charset}")
    assert "UTF-8" in read_problem(response, InvalidRequestError).detail


def test_names_of_encodings_are_not_kept() -> None:
    """Python keeps every name that it has looked up in vain: clients must not choose them."""
    known = dict(encodings._cache)  # noqa: SLF001
    for form in ("; charset=a{}", ';CHARSET="b{}"', "; charset =\tc{}", '; a="\\""; charset="d{}'):
        content_type = "multipart/form-data; boundary=cut" + form.format("unknown" * 10)
        read_problem(send(content_type), InvalidRequestError)
    assert encodings._cache == known  # noqa: SLF001


def test_a_long_content_type_is_not_taken_apart() -> None:
    """A header of 100 kB of semicolons, which parsers take long for, is refused at once."""
    content_type = "multipart/form-data" + ";" * 100_000
    problem = read_problem(send(content_type), InvalidRequestError)
    assert "100019 characters" in problem.detail
    started = time.perf_counter()
    with pytest.raises(InvalidRequestError):
        check_form(content_type)
    assert time.perf_counter() - started < 0.01


def test_the_longest_boundary_is_read() -> None:
    """What RFC 2046 allows is far from the limit."""
    boundary = "b" * 70
    request = make_upload(encode_grey(), url=URL)
    body = request.read().replace(
        request.headers["content-type"].split("=")[1].encode(), boundary.encode()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    good = httpx.Request("POST", f"{URL}/predict", content=body, headers=headers)
    assert answer(good).status_code == 200
