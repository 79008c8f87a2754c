"""Faults under load, on two replicas of each kind: no request fails."""

import json
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from app.classifier.checkpoint.files import BUNDLED
from app.standalone.haproxy_drain import DRAIN_S
from schemas import Problem
from tests.support.service import SEVEN, Service, start_service
from tests.support.uploads import encode_grey, make_upload

CLIENTS = 12
BEFORE_S, AFTER_S = 2.0, 12.0
"""Seconds of load before a fault, and after it: a replica's replacement is part of it."""


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
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two replicas of each kind."""
    folder = tmp_path_factory.mktemp("twins")
    settings = {"ingress_replicas": "2", "classifier_replicas": "2"}
    with start_service(folder, **settings) as running:
        running.wait_until_ready()
        yield running
        running.assert_stops()


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


def read_title(process: psutil.Process) -> str:
    """Read a process's title; empty when it is gone."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.mark.parametrize("name", ["Classifier", "Ingress"])
def test_a_replica_that_is_killed_costs_no_request(twins: Service, name: str) -> None:
    """Its work goes to the other one, and a new one takes its place."""
    victim, other = find_replicas(twins, name)
    with load(twins) as outcome:
        time.sleep(BEFORE_S)
        victim.send_signal(signal.SIGKILL)
        time.sleep(AFTER_S)
    assert outcome.bad == []
    assert {label for _, label in outcome.answers} == {"7"}
    assert outcome.good > CLIENTS
    deadline = time.monotonic() + 60
    while len(replicas := find_replicas(twins, name)) < 2:
        assert time.monotonic() < deadline, twins.read_log()
        time.sleep(0.5)
    assert other in replicas


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


def test_new_weights_are_loaded_beside_the_old(tmp_path: Path) -> None:
    """SIGUSR1 under load: none fails, and every label belongs to the weights that scored it."""
    folder = tmp_path / "model"
    shutil.copytree(BUNDLED, folder)
    with start_service(tmp_path, model=str(folder)) as service:
        service.wait_until_ready()
        old = httpx.get(f"{service.url}/labels").json()["model"]["revision"]
        with load(service) as outcome:
            time.sleep(BEFORE_S)
            config = json.loads((folder / "config.json").read_text())
            names = {key: f"new {name}" for key, name in config["id2label"].items()}
            config["id2label"] = names
            (folder / "config.json").write_text(json.dumps(config))
            service.process.send_signal(signal.SIGUSR1)
            deadline = time.monotonic() + 60
            while (new := read_revision(service)) == old:
                assert time.monotonic() < deadline, service.read_log()
                time.sleep(0.2)
            time.sleep(BEFORE_S)
        assert f"1 of 1 classifiers loaded {new}" in service.read_log()
        assert outcome.bad == []
        assert set(outcome.answers) == {(old, "7"), (new, "new 7")}
        (folder / "config.json").write_text("{}")
        service.process.send_signal(signal.SIGUSR1)
        assert "has no id2label" in service.wait_for_log("did not load it", timeout_s=30)
        assert read_revision(service) == new
        service.assert_stops()


def read_revision(service: Service) -> str:
    """Read which weights score now."""
    with httpx.Client(timeout=60) as client:
        response = client.send(make_upload(SEVEN.read_bytes(), url=service.url))
    revision: str = response.raise_for_status().json()["model"]["revision"]
    return revision


def test_a_stop_answers_what_has_begun(tmp_path: Path) -> None:
    """SIGTERM under load: all in flight are answered, and what never ends is dropped in time."""
    with start_service(tmp_path) as service:
        service.wait_until_ready()
        with (
            socket.create_connection(("127.0.0.1", service.port)) as stuck,
            load(service, is_stopping=True) as outcome,
        ):
            stuck.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            time.sleep(BEFORE_S)
            before, started = outcome.good, time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            service.process.wait(timeout=30)
            took_s = time.monotonic() - started
        assert outcome.bad == []
        assert outcome.good > before > CLIENTS
        assert service.process.returncode == 0
        assert [one.pid for one in service.list_processes()] == []
        assert took_s > DRAIN_S
        assert "1 requests had no answer in 15 s and are dropped" in service.read_log()


def test_a_full_house_refuses_with_one_voice(tmp_path: Path) -> None:
    """What does not fit is refused by HAProxy as by the ingress: 503, typed, and when to return."""
    data = encode_grey(128, (5000, 4000), "JPEG")
    with start_service(tmp_path, max_queue="2") as service:
        service.wait_until_ready()

        def send_large(_: int) -> httpx.Response:
            with httpx.Client(timeout=60) as client:
                return client.send(make_upload(data, url=service.url))

        with ThreadPoolExecutor(24) as clients:
            answers = list(clients.map(send_large, range(96)))
        assert {answer.status_code for answer in answers} == {200, 503}
        refused = [answer for answer in answers if answer.status_code == 503]
        for answer in refused:
            assert read_problem_alone(answer).type == "urn:vitrine:problem:overloaded"
            assert answer.headers["retry-after"] == "1"
        assert "proxy" in {answer.json()["instance"] for answer in refused}
        service.assert_stops()
