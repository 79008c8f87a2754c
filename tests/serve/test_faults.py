"""Faults under load, on two replicas of each kind: no request fails."""

import json
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest

from app.classifier.checkpoint.files import BUNDLED
from app.deployments.collect_metrics import TIMEOUT_S
from app.standalone.haproxy_drain import DRAIN_S
from schemas import Problem
from tests.support.checkpoints import copy_checkpoint, edit_json
from tests.support.scrapes import Page, add_up, scrape
from tests.support.service import ANN, SEVEN, Service, start_service
from tests.support.uploads import encode_grey, make_upload

CLIENTS = 12
AFTER_S = 8.0
"""Seconds of load after a new replica's process has begun: until it answers too."""

LIMIT_S = 60
"""Seconds that a replacement or a reload may take."""


@dataclass
class Outcome:
    """What clients got.

    Attributes:
        answers: how often each revision gave each label.
        bad: what else came, in words.
    """

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)

    @property
    def good(self) -> int:
        """How many were answered."""
        return self.answers.total()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bundled checkpoint."""
    return copy_checkpoint(BUNDLED, tmp_path_factory.mktemp("checkpoint") / "model")


@pytest.fixture(scope="module")
def twins(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two replicas of each kind; the last test stops it."""
    settings = {"ingress_replicas": "2", "classifier_replicas": "2", "model": str(model)}
    with start_service(tmp_path_factory.mktemp("twins"), **settings) as running:
        running.wait_until_ready()
        yield running


@contextmanager
def load(service: Service, *, is_stopping: bool = False) -> Iterator[Outcome]:
    """Keep clients busy, each with one request at a time.

    Of a service that is stopping a refused connection is no failure.
    """
    outcome, stop, lock = Outcome(), threading.Event(), threading.Lock()

    def ask() -> None:
        with httpx.Client(timeout=60) as client:
            while not stop.is_set():
                told = send(client, service.url)
                if is_stopping and "ConnectError" in told:
                    return
                with lock:
                    if isinstance(told, tuple):
                        outcome.answers[told] += 1
                    else:
                        outcome.bad.append(told)

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        wait_for(service, lambda: outcome.good > 2 * CLIENTS)
        yield outcome
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def send(client: httpx.Client, url: str) -> tuple[str, str] | str:
    """Send a seven, once; gives the revision and the label of the answer, or what else came."""
    try:
        response = client.send(make_upload(SEVEN.read_bytes(), url=url))
    except httpx.TransportError as error:
        return repr(error)
    if response.status_code == 200:
        answer = response.json()
        return answer["model"]["revision"], answer["predictions"][0]["label"]
    return f"{response.status_code} {response.text[:200]}"


def find_replicas(service: Service, name: str) -> list[psutil.Process]:
    """Find the processes of a deployment's replicas."""
    title = f"ray::ServeReplica:vitrine:{name}"
    return [one for one in service.list_processes() if read_title(one).startswith(title)]


def is_replaced(service: Service, name: str, victim: psutil.Process) -> bool:
    """Tell whether a replica is gone and another one has begun."""
    replicas = find_replicas(service, name)
    return len(replicas) == 2 and victim not in replicas


def read_title(process: psutil.Process) -> str:
    """Read a process's title; empty when it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def wait_for(service: Service, is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, service.read_log()
        time.sleep(0.1)


def test_replicas_that_are_killed_cost_no_request(twins: Service) -> None:
    """Their requests go to the other one of each kind, and new ones are started."""
    with load(twins) as outcome:
        for name in ("Classifier", "Ingress"):
            victim, other = find_replicas(twins, name)
            victim.send_signal(signal.SIGKILL)
            wait_for(twins, partial(is_replaced, twins, name, victim))
            assert other in find_replicas(twins, name)
        time.sleep(AFTER_S)
    assert outcome.bad == []
    assert {label for _, label in outcome.answers} == {"7"}


def test_a_replica_that_hangs_is_missing_from_the_metrics(twins: Service) -> None:
    """That is told in a bounded time, and the others are shown; then it is there again."""
    send_all = [make_upload(SEVEN.read_bytes(), url=twins.url) for _ in range(20)]
    with httpx.Client(timeout=60) as client:
        assert {client.send(request).status_code for request in send_all} == {200}
    wait_for(twins, lambda: count_replicas(scrape(twins.url)) == {"Classifier": 2, "Ingress": 2})
    victim = find_replicas(twins, "Classifier")[0]
    victim.suspend()
    try:
        started = time.monotonic()
        pages = [scrape(twins.url) for _ in range(2)]
        assert time.monotonic() - started < 2 * (TIMEOUT_S + 3)
    finally:
        victim.resume()
    for page in pages:
        assert add_up(page, "vitrine_silent_replicas", deployment="Classifier") == 1
        assert count_replicas(page) == {"Classifier": 1, "Ingress": 2}
    wait_for(twins, lambda: add_up(scrape(twins.url), "vitrine_silent_replicas") == 0)


def count_replicas(page: Page) -> Counter[str]:
    """Count the replicas that a page of metrics has series of, by deployment."""
    origins = {
        (dict(labels)["deployment"], dict(labels)["replica"])
        for name in ("vitrine_images_in_flight", "vitrine_batch_images_count")
        for labels in page[name]
    }
    return Counter(deployment for deployment, _ in origins)


def test_a_service_that_cannot_be_reached_says_so(twins: Service) -> None:
    """While nothing behind HAProxy runs, its own refusal is our problem; then all is well again."""
    for process in twins.list_processes():
        if any(name in read_title(process) for name in ("ray::ProxyActor", ":Ingress")):
            process.kill()
    refused = set()
    deadline = time.monotonic() + 60
    while "proxy" not in refused or not twins.is_ready():
        assert time.monotonic() < deadline, twins.read_log()
        with suppress(httpx.TransportError):
            response = httpx.get(f"{twins.url}/livez", timeout=20)
            if response.status_code != 200:
                problem = read_problem_alone(response)
                assert problem.type == "urn:vitrine:problem:model-unavailable"
                assert response.headers["retry-after"] == "5"
                refused.add(problem.instance)
        time.sleep(0.05)


def read_problem_alone(response: httpx.Response) -> Problem:
    """Read a problem of HAProxy's, which gives a request no id."""
    assert response.headers["content-type"] == "application/problem+json"
    return Problem.model_validate_json(response.content, strict=True)


def test_new_weights_are_loaded_beside_the_old(twins: Service, model: Path) -> None:
    """SIGUSR1 under load: none fails, and every label belongs to the weights that scored it."""
    old = read_revision(twins)
    with load(twins) as outcome:
        names = json.loads((model / "config.json").read_text())["id2label"]
        edit_json(model / "config.json", id2label={key: f"new {names[key]}" for key in names})
        twins.process.send_signal(signal.SIGUSR1)
        wait_for(twins, lambda: len(outcome.answers) > 1)
        before = outcome.good
        wait_for(twins, lambda: outcome.good > before + 5 * CLIENTS)
    assert outcome.bad == []
    (new,) = {revision for revision, _ in outcome.answers} - {old}
    assert set(outcome.answers) == {(old, "7"), (new, "new 7")}
    twins.wait_for_log(f"2 of 2 classifiers loaded {new}", timeout_s=30)
    (model / "config.json").write_text("{}")
    twins.process.send_signal(signal.SIGUSR1)
    assert "has no id2label" in twins.wait_for_log("did not load it", timeout_s=30)
    assert read_revision(twins) == new


def read_revision(service: Service) -> str:
    """Read which weights score now."""
    with httpx.Client(timeout=60) as client:
        response = client.send(make_upload(SEVEN.read_bytes(), url=service.url))
    revision: str = response.raise_for_status().json()["model"]["revision"]
    return revision


def test_a_stop_answers_what_has_begun(twins: Service) -> None:
    """SIGTERM under load: all in flight are answered, and what never ends is dropped in time."""
    with (
        socket.create_connection(("127.0.0.1", twins.port)) as stuck,
        load(twins, is_stopping=True) as outcome,
    ):
        stuck.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        before, started = outcome.good, time.monotonic()
        twins.process.send_signal(signal.SIGTERM)
        twins.process.wait(timeout=30)
        took_s = time.monotonic() - started
    assert outcome.bad == []
    assert outcome.good > before
    assert twins.process.returncode == 0
    assert twins.list_processes() == []
    assert took_s > DRAIN_S
    assert "1 requests had no answer in 15 s and are dropped" in twins.read_log()


def is_refused_by_haproxy(answer: httpx.Response) -> bool:
    """Tell whether a refusal is HAProxy's, and not the ingress'."""
    return answer.status_code == 503 and answer.json()["instance"] == "proxy"


def test_requests_beyond_the_capacity_are_refused_alike(closed: Service) -> None:
    """What does not fit is refused by HAProxy as by the ingress: 503, typed, and when to return."""
    upload = make_upload(
        encode_grey(128, (5000, 4000), "JPEG"), headers={"X-API-Key": ANN}, url=closed.url
    )
    upload.read()
    answers: list[httpx.Response] = []
    deadline = time.monotonic() + 60  # HAProxy refuses what is more than the service answers
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(24) as clients:
        while not any(is_refused_by_haproxy(answer) for answer in answers):
            assert time.monotonic() < deadline
            answers += clients.map(lambda _: client.send(upload), range(96))
    assert {answer.status_code for answer in answers} == {200, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert read_problem_alone(answer).type == "urn:vitrine:problem:overloaded"
            assert answer.headers["retry-after"] == "1"
