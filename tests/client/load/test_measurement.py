"""A load test against small servers that are slow, refuse, lie, or are gone."""

import socket
import time
from collections.abc import Iterator
from itertools import count

import pytest

from app.client.endpoint import read_endpoint
from app.client.load import step as steps
from app.client.load.images import read_images
from app.client.load.measurement import Measurement, measure
from app.client.load.plan import MAX_REQUESTS, LoadPlan, check_plan
from app.client.load.report import RateReport, make_report
from app.client.load.step import MAX_OUTCOMES, Step
from app.errors import ServiceError
from tests.support.raw_server import RawServer, Reply, always, make_answer, serve_raw
from tests.support.service import SEVEN

GOOD = make_answer("200 OK", b'{"model": {"id": "x"}, "predictions": []}')
BUSY = make_answer("503 Busy", b'{"type": "urn:vitrine:problem:overloaded"}')


AFTER_WARM_UP = 70
"""Requests: a warm-up of 0.1 s by eight clients has fewer, where each takes 0.02 s."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A server that answers well, and a short warm-up."""
    monkeypatch.setattr("app.client.load.warm_up.WARM_UP_S", 0.1)
    monkeypatch.setattr("app.client.load.measurement.PAUSE_S", 0.0)
    with serve_raw(always(GOOD)) as running:
        yield running


def make_plan(server: RawServer, *rates: float, **options: float) -> LoadPlan:
    """Make a plan of half a second for each rate."""
    endpoint = read_endpoint(server.url, "/predict", "ann-knows-this-key")
    given = {"duration_s": 0.5, "timeout_s": 2.0} | options
    connections = int(given.pop("connections", 64))
    return LoadPlan(endpoint, read_images([SEVEN]), rates, connections=connections, **given)


def run(server: RawServer, *rates: float, **options: float) -> Measurement:
    """Measure; what is shown meanwhile is not looked at."""
    return measure(make_plan(server, *rates, **options), lambda *_: None)


def run_one(server: RawServer, rate: float, **options: float) -> RateReport:
    """Measure one rate and report it."""
    (report,) = make_report(run(server, rate, **options)).rates
    return report


def after(seconds: float, answer: bytes) -> Reply:
    """Answer later."""

    def reply(connection: socket.socket, _: bytes) -> None:
        time.sleep(seconds)
        connection.sendall(answer)

    return reply


def test_each_request_is_the_image_with_the_key(server: RawServer) -> None:
    """As a form, to the path, with the host; the warm-up is not counted."""
    report = run_one(server, 40)
    request = server.requests[0]
    assert request.startswith(b"POST /predict HTTP/1.1\r\n")
    assert f"\r\nHost: 127.0.0.1:{server.port}\r\n".encode() in request
    assert b"\r\nX-API-Key: ann-knows-this-key\r\n" in request
    assert SEVEN.read_bytes() in request
    assert report.outcomes == {"200": report.sent}
    assert 0 < report.sent < len(server.requests)
    assert report.meets_target


def test_a_stall_shows_in_all_requests_that_fell_due_in_it(server: RawServer) -> None:
    """Latencies count from when a request was due, also where it waited for a connection."""
    server.reply = after(0.1, GOOD)
    report = run_one(server, 40, connections=1, timeout_s=10)
    assert report.waited > 0
    assert report.latency_ms["p50"] > 300
    assert report.latency_ms["max"] > 800
    assert report.within_target < 0.5
    assert not report.meets_target


def test_refusals_are_counted_by_their_problem(server: RawServer) -> None:
    """They have no latency, and are requests that were not answered in time."""
    numbers = count()
    server.reply = lambda to, _: to.sendall(BUSY if next(numbers) % 2 else GOOD)
    report = run_one(server, 100, target_s=60)
    assert set(report.outcomes) == {"200", "503 overloaded"}
    assert sum(report.outcomes.values()) == report.sent
    assert report.within_target == pytest.approx(report.outcomes["200"] / report.sent, abs=1e-4)
    assert not report.meets_target


def test_requests_that_are_never_answered_end(server: RawServer) -> None:
    """After the time that each may take."""
    answers = iter([GOOD] * 8)

    def reply(connection: socket.socket, _: bytes) -> None:
        connection.sendall(next(answers, b""))
        time.sleep(0.02)

    server.reply = reply
    started = time.monotonic()
    plan = make_plan(server, 40, timeout_s=0.5)
    with pytest.raises(ServiceError, match="there is no answer in time"):
        measure(plan, lambda *_: None)  # the warm-up sends more than eight
    assert time.monotonic() - started < 20


def test_a_server_that_falls_silent_ends_no_measurement(server: RawServer) -> None:
    """What was in flight is counted as unanswered, and latencies are those before."""

    def reply(connection: socket.socket, _: bytes) -> None:
        time.sleep(0.02)
        if len(server.requests) < AFTER_WARM_UP:
            connection.sendall(GOOD)

    server.reply = reply
    report = run_one(server, 300, timeout_s=1)
    assert report.outcomes["no answer in time"] > 0
    assert sum(report.outcomes.values()) == report.sent
    assert report.seconds < 10


def test_a_server_that_ends_is_counted(server: RawServer) -> None:
    """What is in flight is cut off, and then there is no connection."""

    def reply(connection: socket.socket, _: bytes) -> None:
        time.sleep(0.02)
        if len(server.requests) > AFTER_WARM_UP:
            server.close()
        connection.sendall(GOOD)

    server.reply = reply
    report = run_one(server, 300)
    assert report.outcomes["no connection"] > 0
    assert sum(report.outcomes.values()) == report.sent


def test_without_rates_they_follow_what_the_service_can_do(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by a closed loop; the last rate is above it."""
    monkeypatch.setattr("app.client.load.measurement.CAPACITY_S", 0.4)
    server.reply = after(0.1, GOOD)
    report = make_report(run(server, connections=4, duration_s=0.2))
    assert 10 < (report.capacity_per_s or 0) <= 40
    rates = [one.rate_per_s for one in report.rates]
    shares = [rate / (report.capacity_per_s or 1) for rate in rates]
    assert shares == pytest.approx([0.25, 0.5, 0.75, 0.9, 1.1], rel=0.06)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (always(make_answer("200 OK", b"hello")), "it answers 200, but not as Vitrine does."),
        (always(make_answer("200 OK", b"[" * 60000)), "it answers 200, but not as Vitrine does."),
        (
            always(make_answer("401 No", b'{"detail": "Send a key."}')),
            "401: Send a key. VITRINE_API_KEY or --key gives one.",
        ),
        (always(make_answer("404 No", b"")), "there is no POST /predict (404)"),
        (
            always(make_answer("415 No", b'{"detail": "Not \\u001b[31m this."}')),
            "7-0.png is refused: 415: Not \ufffd[31m this.",
        ),
        (always(BUSY), "no image was answered: 503 overloaded"),
        (always(b"SSH-2.0-OpenSSH_9.2\r\n"), "The answer is not HTTP/1.1."),
        (lambda connection, _: connection.close(), "The server closed the connection."),
        (lambda *_: None, "there is no answer in time."),
    ],
)
def test_what_is_not_vitrine_is_told_in_a_line(server: RawServer, reply: Reply, said: str) -> None:
    """Before anything is measured, without control characters."""
    server.reply = reply
    with pytest.raises(ServiceError) as caught:
        run(server, 10, timeout_s=0.5)
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert "ann-knows" not in str(caught.value)


def test_a_load_that_memory_would_not_hold_is_refused(server: RawServer) -> None:
    """Before anything is sent."""
    with pytest.raises(ServiceError, match="Lower --rate or --duration"):
        check_plan(make_plan(server, MAX_REQUESTS, duration_s=1.1))
    assert not server.requests


def test_rates_that_the_closed_loop_has_found_are_bounded_too(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day at what the service can do is more than memory holds, and no rate is begun."""
    monkeypatch.setattr("app.client.load.measurement.CAPACITY_S", 0.1)
    with pytest.raises(ServiceError, match="Lower --rate or --duration"):
        run(server, duration_s=1e6)


def test_requests_beyond_a_bound_are_not_sent_and_counted(
    server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report says that the client was the bottleneck."""
    monkeypatch.setattr(steps, "MAX_IN_FLIGHT", 3)
    server.reply = after(0.2, GOOD)
    report = run_one(server, 100)
    assert report.outcomes["not sent"] > 0
    assert report.sent + report.outcomes["not sent"] == sum(report.outcomes.values())
    assert not report.kept_up


def test_a_client_that_is_late_says_so(server: RawServer) -> None:
    """Where its own loop is held up, the service was not what was measured."""
    held = iter([False] * 2 + [True])

    def hold_up(what: str, _: float) -> None:
        if what != "warm-up" and next(held, False):
            time.sleep(0.2)

    plan = make_plan(server, 100)
    (report,) = make_report(measure(plan, hold_up)).rates
    assert report.late_p99_ms > 100
    assert not report.kept_up


def test_outcomes_of_a_server_are_finitely_many() -> None:
    """One that answers with ever new ones fills no memory with names."""
    step = Step(1.0, 1.0)
    for number in range(1000):
        step.add(f"{number} x", 0.1)
    assert len(step.seconds) == MAX_OUTCOMES + 1
    assert len(step.seconds["other"]) == 1000 - MAX_OUTCOMES
