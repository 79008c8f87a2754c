"""Requests as bytes on a wire, and what must be true after whatever was sent."""

import socket
from contextlib import suppress

import httpx

from schemas import Health, Queue
from tests.support.plain_http import get, open_client
from tests.support.service import SEVEN, Service
from tests.support.uploads import make_upload

BOUNDARY = "multipart/form-data; boundary=cut"
PART = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'


def assert_answers_on(service: Service) -> None:
    """A good request is answered, and no traceback was logged."""
    answer = send(make_upload(SEVEN.read_bytes(), url=service.url)).json()
    assert answer["predictions"][0]["label"] == "7"
    assert "Traceback" not in service.read_log()
    assert "Traceback" not in service.output.read_text()


def send(request: httpx.Request) -> httpx.Response:
    """Send one request on a connection of its own."""
    with open_client() as client:
        return client.send(request)


def make_head(start: str, *headers: str) -> bytes:
    """Make the head of a request; characters are bytes."""
    lines = [f"{start} HTTP/1.1", "Host: vitrine.test", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def send_raw(service: Service, data: bytes) -> bytes:
    """Send bytes as they are, and read until the service closes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        with suppress(ConnectionError):  # it may have heard enough
            connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def read_queue(service: Service) -> Queue:
    """Read what /health tells of the queue."""
    return Health.model_validate(get(f"{service.url}/health").json()).queue
