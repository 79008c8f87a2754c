"""POST /explain through the whole service: an explainer starts when it is asked for."""

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import psutil
import pytest
from PIL import Image

from app.deployments.explainer import LOWEST_PRIORITY
from app.prediction.explanations import MAX_IN_FLIGHT
from schemas import ExplainResponse
from tests.support.service import SEVEN, Service
from tests.support.uploads import make_upload

_SEVEN = SEVEN.read_bytes()


def explain(service: Service, query: str = "") -> httpx.Response:
    """Have an image explained."""
    with httpx.Client(timeout=60) as client:
        return client.send(make_upload(_SEVEN, query, url=service.url, path="/explain"))


def list_explainers(service: Service) -> list[psutil.Process]:
    """List the processes of explainer replicas."""
    return [one for one in service.list_processes() if ":Explainer" in " ".join(one.cmdline())]


def test_the_first_explanation_waits_for_the_explainer(service: Service) -> None:
    """It is answered, and so are predictions meanwhile; the explainer is there from then on."""
    with ThreadPoolExecutor(1) as asking, httpx.Client(timeout=60) as client:
        first = asking.submit(explain, service)
        while not first.done():
            answer = client.send(make_upload(_SEVEN, url=service.url))
            assert answer.status_code == 200
    assert first.result().status_code == 200, first.result().text
    found = ExplainResponse.model_validate_json(first.result().content)
    assert found.explanations[0].label == "7"
    assert np.array(found.explanations[0].relevance).max() == 1
    assert len(list_explainers(service)) == 1


def test_a_map_is_drawn_over_the_image(service: Service) -> None:
    """As a PNG of its size."""
    answer = explain(service, "format=png&label=1")
    assert answer.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(answer.content)).size == Image.open(io.BytesIO(_SEVEN)).size


def test_explanations_beyond_the_capacity_are_refused_first(service: Service) -> None:
    """Predictions beside them are all answered, and so is what was admitted."""
    explain(service)
    upload = make_upload(_SEVEN, "method=occlusion", url=service.url, path="/explain")
    upload.read()
    codes: list[int] = []
    predicted: list[int] = []
    deadline = time.monotonic() + 60
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(4 * MAX_IN_FLIGHT) as clients:
        while 503 not in codes:
            assert time.monotonic() < deadline
            explained = clients.map(lambda _: client.send(upload).status_code, range(160))
            prediction = make_upload(_SEVEN, url=service.url)
            predicted += [client.send(prediction).status_code for _ in range(10)]
            codes += explained
    assert set(codes) == {200, 503}
    assert set(predicted) == {200}


def test_what_computes_has_the_lowest_priority(service: Service) -> None:
    """So that a prediction has the CPU first."""
    explain(service)
    (process,) = list_explainers(service)
    threads = [thread.id for thread in process.threads()]
    niceness = {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
    assert min(niceness.values()) < max(niceness.values()) == LOWEST_PRIORITY
    idle = {thread for thread in threads if os.sched_getscheduler(thread) == os.SCHED_IDLE}
    assert idle == {thread for thread, nice in niceness.items() if nice == LOWEST_PRIORITY}


@pytest.mark.parametrize("method", ["auto", "occlusion"])
def test_the_threads_that_compute_are_those(service: Service, method: str) -> None:
    """An engine has threads of its own; those of Ray and of the event loop need little."""
    explain(service, f"method={method}")
    (process,) = list_explainers(service)
    before = {one.id: one.user_time + one.system_time for one in process.threads()}
    for _ in range(10):
        assert explain(service, f"method={method}").status_code == 200
    spent = {False: 0.0, True: 0.0}
    for one in process.threads():
        is_idle = os.sched_getscheduler(one.id) == os.SCHED_IDLE
        spent[is_idle] += one.user_time + one.system_time - before.get(one.id, 0.0)
    assert spent[True] > 2 * spent[False]


def test_labels_and_health_tell_that_it_is_available(service: Service) -> None:
    """The methods, the default first."""
    for path in ("labels", "health"):
        info = httpx.get(f"{service.url}/{path}", timeout=30).json()["explanation"]
        assert info["reason"] is None
        assert info["methods"]
