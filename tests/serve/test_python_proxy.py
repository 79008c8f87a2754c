"""A second service beside the first: behind Serve's own proxy, on IPv6, its log for people."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.errors import UnauthorizedError, UndecodableImageError
from tests.support.grpc_calls import check_calls, check_refusals, open_channel
from tests.support.listeners import Listener, list_listeners
from tests.support.ports import find_port
from tests.support.problems import read_problem
from tests.support.raw_requests import send
from tests.support.service import ANN, SAMPLES, Service, start_service
from tests.support.uploads import make_upload

KEY = {"X-API-Key": ANN}
_LINE = re.compile(r"\d\d:\d\d:\d\d (DEBUG|INFO |WARN |ERROR) \S.*")


@pytest.fixture(scope="module")
def second(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The second service; Ctrl-C ends it."""
    settings = {"host": "::", "proxy": "python", "api_keys": f"ann:{ANN}", "log_format": "text"}
    folder, grpc_port = tmp_path_factory.mktemp("second"), str(find_port())
    with start_service(folder, grpc_port=grpc_port, **settings) as running:
        running.wait_until_ready()
        assert running.port != service.port
        yield running
        running.assert_stops(signal.SIGINT)


def predict(service: Service, file: Path) -> dict[str, object]:
    """Classify a file."""
    upload = make_upload(file.read_bytes(), "top_k=10", KEY, url=service.url)
    body: dict[str, object] = send(upload).raise_for_status().json()
    return body


def test_two_services_side_by_side_give_the_same_answers(service: Service, second: Service) -> None:
    """On two ports, behind different proxies; standard output stays empty."""
    for file in sorted(SAMPLES.glob("*-0.png")):
        assert predict(service, file) == predict(second, file)
    assert (service.output.read_text(), second.output.read_text()) == ("", "")


def test_it_answers_errors_too(second: Service) -> None:
    """An error is the same problem, with one id."""
    read_problem(send(make_upload(b"", headers=KEY, url=second.url)), UndecodableImageError)


def test_its_log_tells_the_progress(service: Service, second: Service) -> None:
    """The steps of the start in their order, the proxy, and the address."""
    log = second.wait_for_log("ready at")
    steps = [log.index(step) for step in ("starting Ray", "loading the model", "ready at")]
    assert steps == sorted(steps)
    assert f"http://[::]:{second.port}" in log
    assert log.count("python as proxy") == 1
    assert service.wait_for_log("ready at").count("haproxy as proxy") == 1


def test_its_log_lines_are_text(second: Service) -> None:
    """With VITRINE_LOG_FORMAT=text every line is for people; a request is one line."""
    headers = {"X-Request-ID": "text-1"}
    assert httpx.get(f"{second.url}/livez", headers=headers).status_code == 200
    lines = second.wait_for_log("text-1").splitlines()
    assert [line for line in lines if not _LINE.fullmatch(line)] == []
    (line,) = (line for line in lines if line.endswith("text-1"))
    assert re.search(r"INFO  GET /livez 200 \d+\.\d ms text-1$", line)


def test_it_listens_where_it_is_told_and_nowhere_else(second: Service) -> None:
    """The proxy alone, for HTTP and gRPC; keys count by IPv6 and IPv4."""
    public = {one for one in list_listeners(second) if one.address != "127.0.0.1"}
    ports = (second.port, second.grpc_port)
    assert public == {Listener("ray::ProxyActor", "::", port) for port in ports}
    for host in ("[::1]", "127.0.0.1"):
        url = f"http://{host}:{second.port}/labels"
        read_problem(httpx.get(url), UnauthorizedError)
        assert httpx.get(url, headers=KEY).status_code == 200


def test_every_kind_of_grpc_call_is_answered(second: Service) -> None:
    """As behind HAProxy."""
    with open_channel(second) as channel:
        check_calls(channel, ANN)
        check_refusals(channel)
