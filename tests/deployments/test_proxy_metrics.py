"""What is read of HAProxy's page, whatever answers at its port."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.deployments.proxy_metrics import parse_page, read_proxy

PAGE = """
# TYPE haproxy_frontend_http_requests_total counter
haproxy_frontend_http_requests_total{proxy="prometheus"} 9
haproxy_frontend_http_requests_total{proxy="http_frontend"} 5
haproxy_frontend_http_responses_total{proxy="http_frontend",code="5xx"} 4
haproxy_backend_requests_denied_total{proxy="http-vitrine"} 3
haproxy_backend_requests_denied_total{proxy="http-other"} 7
haproxy_backend_agg_server_status{proxy="http-vitrine",state="UP"} 2
haproxy_process_relative_process_id 1
"""


@contextmanager
def answer_with(monkeypatch: pytest.MonkeyPatch, data: bytes, wait_s: float = 0) -> Iterator[None]:
    """Let a program at the port of HAProxy's metrics answer so."""

    class Answer(socketserver.BaseRequestHandler):
        """Answers one request."""

        def handle(self) -> None:
            """Send the bytes."""
            self.request.recv(4096)
            time.sleep(wait_s)
            self.request.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "1")
        monkeypatch.setenv("RAY_SERVE_HAPROXY_METRICS_PORT", str(server.server_address[1]))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def test_what_is_about_the_service_is_taken() -> None:
    """By API; other applications and HAProxy's own pages are not."""
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in parse_page(PAGE)
        for sample in metric.samples
    }
    assert found == {
        ("vitrine_proxy_requests_total", "http"): 5,
        ("vitrine_proxy_responses_total", "http", "5xx"): 4,
        ("vitrine_proxy_refusals_total", "http"): 3,
        ("vitrine_proxy_replicas", "http", "up"): 2,
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100_000,
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n\xff\xfe",
        b"HTTP/1.1 200 OK\r\n\r\nhaproxy_frontend_http_requests_total{proxy= 1\n",
        b'HTTP/1.1 200 OK\r\n\r\nhaproxy_frontend_http_requests_total{proxy="http_frontend"} x\n',
    ],
)
def test_another_program_at_its_port_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    """It is told that HAProxy does not answer."""
    with answer_with(monkeypatch, data):
        (up,) = read_proxy()
    assert [(sample.name, sample.value) for sample in up.samples] == [("vitrine_proxy_up", 0)]


def test_one_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape goes on without it."""
    started = time.monotonic()
    with answer_with(monkeypatch, b"", wait_s=2):
        (up,) = read_proxy()
        assert time.monotonic() - started < 1.5
    assert up.samples[0].value == 0


def test_without_haproxy_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's proxy has no such page."""
    monkeypatch.delenv("RAY_SERVE_ENABLE_HA_PROXY", raising=False)
    assert read_proxy() == []
