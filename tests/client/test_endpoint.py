"""URLs of services, and keys, which are never told."""

import pytest

from app.client.endpoint import locate, read_endpoint
from app.errors import ServiceError
from tests.support.ports import find_port


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/predict"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/predict"),
        ("https://a.example/hf", "https://a.example:443/hf"),
        ("http://[::1]:8000", "http://[::1]:8000/predict"),
        ("http://A.example/predict?top_k=1", "http://a.example:80/predict?top_k=1"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example:80/%C3%BC"),
    ],
)
def test_a_url_has_a_path_and_a_port(url: str, shown: str) -> None:
    """Both have defaults, and both are fit for a request."""
    assert read_endpoint(url, "/predict").url == shown


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "ftp://a.example",
        "http://",
        "http://a.example:99999",
        "http://[::1",
        "http://a b.example",
        "http://a.example/\r\nX-Header: 1",
        "http://a.example/\x1b[31m",
        "http://a..example",
        "http://user:secret@a.example",
    ],
)
def test_what_is_no_url_of_a_service_is_refused(url: str) -> None:
    """In one line without control characters, and without a password."""
    with pytest.raises(ServiceError) as caught:
        read_endpoint(url, "/predict")
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "two words", "line\r\nX-Header: 1", "schlüssel"])
def test_a_key_that_no_header_can_have_is_refused_untold(key: str) -> None:
    """Whatever it is, it does not stand in the error."""
    with pytest.raises(ServiceError, match="The key has characters") as caught:
        read_endpoint("http://a.example", "/", key)
    assert not key or key not in str(caught.value)


def test_a_key_is_a_header_and_in_no_text() -> None:
    """The URL that is shown does not have it."""
    endpoint = read_endpoint("http://a.example", "/", "ann-knows-this-key")
    assert endpoint.headers == ("X-API-Key: ann-knows-this-key",)
    assert "ann-knows" not in endpoint.url + repr(endpoint)


def test_a_port_on_which_nothing_listens_is_told() -> None:
    """With what to do about it."""
    with pytest.raises(ServiceError, match="nothing listens there"):
        locate(read_endpoint(f"http://127.0.0.1:{find_port()}", "/"))
