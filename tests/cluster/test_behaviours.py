"""What a client of `vitrine serve` sees, at the front of a node that is not the head.

docs/cluster-behaviour.md lists these behaviours. Each was once that of `vitrine serve` alone.
"""

import json
import socket
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from app.errors import (
    DeadlineExceededError,
    OverloadedError,
    PayloadTooLargeError,
    ProblemError,
    UnauthorizedError,
)
from schemas import Health, Problem
from schemas.health import Queue
from schemas.rpc.classifier_pb2 import PredictRequest
from schemas.rpc.classifier_pb2_grpc import ClassifierStub
from tests.cluster.conftest import GRPC_PORT, KEY, deploy, open_cluster, run_load, wait_until
from tests.support.checkpoints import LABELS, save_wide_vit
from tests.support.grpc_calls import check_calls, check_refusals
from tests.support.load import Load
from tests.support.nodes import HTTP_PORT, Cluster, Node
from tests.support.problems import read_problem
from tests.support.scrapes import add_up, scrape
from tests.support.service import ANN, ORIGIN, SEVEN
from tests.support.uploads import encode_grey, make_upload

INGRESS_PORTS = range(30000, 30008)
"""Where Serve lets ingresses listen on each node, one at a port; HAProxy sends requests there."""

FULL_S = 1.5
"""Seconds after which no HAProxy refuses for what it was told at capacity: 1, and some more."""

SLOTS = 4
LARGE = encode_grey(128, (5000, 4000), "JPEG")
CLOSED = {"Host": "service", "Connection": "close"} | KEY


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes whose ingresses have few slots."""
    with open_cluster(2) as made:
        deploy(made, max_queue=SLOTS, max_queue_bytes=1 << 28, cors_origins=ORIGIN)
        yield made


@pytest.fixture
def node(cluster: Cluster) -> Node:
    """The node that is not the head."""
    return cluster.workers[0]


@pytest.fixture
def client(node: Node) -> Iterator[httpx.Client]:
    """A client with a key at its front."""
    with httpx.Client(base_url=node.url, headers=KEY, timeout=60) as client:
        yield client


def predict(client: httpx.Client, image: bytes, **headers: str) -> httpx.Response:
    """Send an image as it is."""
    return client.post("/predict/raw", content=image, headers=headers)


def read_front_problem(response: httpx.Response, expected: type[ProblemError]) -> None:
    """Read a problem that HAProxy itself sends."""
    problem = Problem.model_validate_json(response.content, strict=True)
    assert problem.type == f"urn:vitrine:problem:{expected.type}"
    assert response.headers["content-type"] == "application/problem+json"


def send_slowly(node: Node, data: bytes) -> httpx.Response:
    """Send the beginning of a request, and read what comes."""
    with socket.create_connection((node.address, HTTP_PORT), timeout=50) as connection:
        connection.sendall(data)
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    start, *lines = head.decode().splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    return httpx.Response(int(start.split()[1]), headers=headers, content=body)


def test_slow_clients_are_told_in_time(node: Node) -> None:
    """After 30 s, by the front: of a body in a problem, of headers as HAProxy does."""
    head = b"POST /predict HTTP/1.1\r\nHost: service\r\n"
    with ThreadPoolExecutor(2) as pool:
        body, headers = pool.map(
            partial(send_slowly, node), (head + b"Content-Length: 9\r\n\r\n", head)
        )
    assert body.status_code == DeadlineExceededError.status
    read_front_problem(body, DeadlineExceededError)
    assert headers.status_code == httpx.codes.REQUEST_TIMEOUT


def test_at_capacity_images_are_refused(node: Node, client: httpx.Client) -> None:
    """Typed, with when to try again, and without what the ingress tells HAProxy."""
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: predict(client, LARGE), range(64)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert len(refused) < len(answers)
    for answer in refused:
        read_front_problem(answer, OverloadedError)
        assert answer.headers["retry-after"] == "1"
        assert "x-vitrine-full" not in answer.headers
    assert httpx.get(f"{node.url}/livez").status_code == 200
    time.sleep(FULL_S)
    assert {predict(client, SEVEN.read_bytes()).status_code for _ in range(20)} == {200}


def test_a_killed_ingress_costs_no_request(cluster: Cluster) -> None:
    """The front sends a small body to another one, until Serve has replaced it."""
    before = list_ingresses(cluster)
    after: set[str] = set()

    def kill(_: Load) -> None:
        processes = [one for node in reversed(cluster.nodes) for one in node.list_processes()]
        next(filter(is_ingress, processes)).kill()
        wait_until(lambda: len(list_ingresses(cluster) - before) == 1)
        time.sleep(3)
        after.update(list_ingresses(cluster))

    load = run_load(cluster, kill, clients=2)
    assert load.list_failed() == []
    assert (len(before - after), len(after - before)) == (1, 1)


def test_every_front_tells_the_metrics_of_all_nodes(cluster: Cluster, client: httpx.Client) -> None:
    """Of each replica, with the same sums."""
    assert predict(client, SEVEN.read_bytes()).status_code == 200
    pages = [scrape(one.url, KEY) for one in cluster.nodes]
    for page in pages:
        assert len(page["vitrine_images_in_flight"]) == len(list_ingresses(cluster)) > 1
        assert len(page["vitrine_model_info"]) > 1
        assert add_up(page, "vitrine_silent_replicas") == 0
    classified = {add_up(page, "vitrine_images_total", outcome="classified") for page in pages}
    assert len(classified) == 1
    assert classified.pop() >= 1


def list_ingresses(cluster: Cluster) -> set[str]:
    """List the ids of the ingresses that run."""
    return {one.identity for one in cluster.list_replicas() if one.deployment == "Ingress"}


def is_ingress(process: psutil.Process) -> bool:
    """Tell whether a process is an ingress; one that has ended is none."""
    with suppress(psutil.NoSuchProcess):
        return "ServeReplica:vitrine:Ingress" in process.name() + " ".join(process.cmdline())
    return False


def test_a_deadline_of_the_client_is_kept(client: httpx.Client) -> None:
    """And told as a problem, not as Serve's plain text."""
    late = predict(client, LARGE, **{"X-Request-Timeout-Seconds": "0.05"})
    read_problem(late, DeadlineExceededError)


@pytest.mark.parametrize("name", ["x-other", "x-request-disconnect-disabled"])
def test_clients_that_leave_free_their_slots(
    cluster: Cluster, client: httpx.Client, name: str
) -> None:
    """Their images are counted as cancelled, also where a header asks Serve not to notice.

    Serve obeys that header where it is `?1`, and no other value.
    """

    def count_cancelled() -> int:
        return sum(one.cancelled for one in read_queues(cluster))

    taken_s = min(predict(client, LARGE).elapsed.total_seconds() for _ in range(3))
    before = count_cancelled()
    for _ in range(6):
        with suppress(httpx.TimeoutException):
            client.post("/predict/raw", content=LARGE, headers={name: "?1"}, timeout=taken_s / 2)
    wait_until(lambda: count_cancelled() > before, timeout_s=20)
    wait_until(lambda: not any(one.images for one in read_queues(cluster)), timeout_s=20)
    assert predict(client, SEVEN.read_bytes()).status_code == 200


def read_queues(cluster: Cluster) -> list[Queue]:
    """Read the queue of every ingress, each from its own port, past the fronts."""
    urls = (f"http://{one.address}:{port}" for one in cluster.nodes for port in INGRESS_PORTS)
    queues = []
    for url in urls:
        with suppress(httpx.ConnectError):
            answer = httpx.get(f"{url}/health", headers=KEY, timeout=10)
            queues.append(Health.model_validate(answer.json()).queue)
    assert len(queues) == len(list_ingresses(cluster))
    return queues


@pytest.mark.parametrize("is_announced", [True, False], ids=["length", "chunked"])
def test_a_body_that_is_too_large_is_refused(client: httpx.Client, *, is_announced: bool) -> None:
    """By what it announces, or as it comes."""
    piece = bytes(1_000_000)
    content = piece * 21 if is_announced else (piece for _ in range(21))
    read_problem(client.post("/predict/raw", content=content), PayloadTooLargeError)


def test_a_client_without_a_key_is_refused(node: Node) -> None:
    """Where it asks for data; orchestrators and people are answered."""
    for path in ("/labels", "/health", "/nothing"):
        read_problem(httpx.get(node.url + path), UnauthorizedError)
    read_problem(httpx.post(f"{node.url}/predict", content=b"x"), UnauthorizedError)
    for path in ("/livez", "/readyz", "/docs", "/openapi.json"):
        assert httpx.get(node.url + path).status_code == 200


def test_a_page_of_a_listed_origin_may_call(client: httpx.Client) -> None:
    """A preflight comes through the front."""
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    answer = client.options("/predict", headers=headers)
    assert answer.headers["access-control-allow-origin"] == ORIGIN


def test_a_request_keeps_its_id(client: httpx.Client) -> None:
    """One id, that of the client, in the answer."""
    answer = predict(client, SEVEN.read_bytes(), **{"X-Request-ID": "mine-1"})
    assert answer.headers.get_list("x-request-id") == ["mine-1"]


def test_a_request_has_one_line_in_the_log(cluster: Cluster, client: httpx.Client) -> None:
    """In the replica's standard error, which Ray keeps; with the name of the key, not the key."""
    predict(client, SEVEN.read_bytes(), **{"X-Request-ID": "logged-1"})

    def list_lines() -> list[str]:
        files = (cluster.folder / "ray" / "session_latest" / "logs").glob("worker-*.err")
        lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
        return [line for line in lines if '"logged-1"' in line]

    wait_until(lambda: len(list_lines()) > 0, timeout_s=20)
    (line,) = list_lines()
    assert ANN not in line
    told = json.loads(line)
    assert (told["status"], told["path"], told["key_name"]) == (200, "/predict/raw", "ann")


def test_haproxy_is_kept_from_others(cluster: Cluster) -> None:
    """Its admin socket from other users, its statistics and metrics from other machines."""
    for node in cluster.nodes:
        running = [one.cmdline() for one in node.list_processes() if one.name() == "haproxy"]
        haproxy = running[-1]
        folder = Path(haproxy[haproxy.index("-f") + 1]).parent
        assert stat.S_IMODE((folder / "admin.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for port in (8404, 9101):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((node.address, port), timeout=5)


def test_grpc_is_answered_and_asks_for_a_key(node: Node) -> None:
    """By the same rules."""
    with grpc.insecure_channel(f"{node.address}:{GRPC_PORT}") as channel:
        check_calls(channel, ANN)
        check_refusals(channel)


def test_too_large_a_grpc_message_is_refused(node: Node) -> None:
    """By gRPC itself, before it is held."""
    metadata = [("authorization", f"Bearer {ANN}")]
    with grpc.insecure_channel(f"{node.address}:{GRPC_PORT}") as channel:
        stub, request = ClassifierStub(channel), PredictRequest(image=bytes(40_000_000))
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request, timeout=30, metadata=metadata)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_uploads_on_their_way_take_no_slot(node: Node, client: httpx.Client) -> None:
    """A hundred clients that have sent half of an image keep nobody from an answer."""
    lines = (f"{name}: {value}" for name, value in CLOSED.items())
    head = "\r\n".join(("POST /predict/raw HTTP/1.1", "Content-Length: 200000", *lines, "", ""))
    with ExitStack() as clients:
        for _ in range(100):
            other = socket.create_connection((node.address, HTTP_PORT), timeout=30)
            clients.enter_context(other).sendall(head.encode() + bytes(100_000))
        time.sleep(1)
        for _ in range(5):
            assert predict(client, SEVEN.read_bytes()).status_code == 200


def test_a_form_is_answered(node: Node) -> None:
    """As people send it."""
    request = make_upload(SEVEN.read_bytes(), url=node.url)
    with httpx.Client(headers=KEY) as client:
        request.headers.update(KEY)
        assert client.send(request).json()["predictions"][0]["label"] == "7"


def test_a_full_group_of_large_pixels_arrives(
    cluster: Cluster, client: httpx.Client, tmp_path: Path
) -> None:
    """A batch of eight has 10 MB here, and Serve lets 4 MB through of itself."""
    deploy(cluster, model=str(save_wide_vit(tmp_path / "model", 640)), batch_size=8)
    image = encode_grey(100, (64, 64))
    wait_until(lambda: LABELS[0] in client.get("/labels").text)
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda _: predict(client, image), range(24)))
    assert [answer.status_code for answer in answers] == [200] * 24
    assert len({answer.json()["predictions"][0]["label"] for answer in answers}) == 1
