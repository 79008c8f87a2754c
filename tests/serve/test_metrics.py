"""GET /metrics of a whole service: what is told is what clients counted."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import httpx
import pytest

from app.api.services import METRICS_PORT
from schemas.rpc.classifier_pb2 import PredictRequest
from schemas.rpc.classifier_pb2_grpc import ClassifierStub
from tests.support.raw_requests import send
from tests.support.scrapes import Page, add_up, scrape
from tests.support.service import ANN, SEVEN, Service
from tests.support.uploads import encode_grey, make_upload

COUNT = 25
FLOOD = 1500


def make_requests(url: str) -> Iterator[httpx.Request]:
    """Make requests of many kinds and outcomes."""
    for _ in range(COUNT):
        yield make_upload(SEVEN.read_bytes(), url=url)
        yield make_upload(encode_grey(128, (2000, 1500), "JPEG"), url=url)  # read by a process
        yield make_upload(b"text", url=url)
        yield make_upload(SEVEN.read_bytes()[:100], url=url)
        yield make_upload(SEVEN.read_bytes(), "top_k=0", url=url)
        yield httpx.Request("POST", f"{url}/predict/raw", content=SEVEN.read_bytes())
        yield httpx.Request("GET", f"{url}/labels")
        yield httpx.Request("GET", f"{url}/nothing")
        yield httpx.Request("GET", f"{url}/livez")


def read_requests(page: Page) -> Counter[tuple[str, str]]:
    """Read how many requests were counted, by route and status."""
    found = Counter[tuple[str, str]]()
    for labels, value in page.get("vitrine_requests_total", {}).items():
        named = dict(labels)
        found[named["route"], named["status"]] += round(value)
    return found


def test_what_is_told_is_what_clients_counted(service: Service) -> None:
    """To the request, by route and status; images by outcome, batch and label."""
    before = scrape(service.url)
    told = Counter[tuple[str, str]]()
    for request in make_requests(service.url):
        status = send(request).status_code
        if request.url.path != "/livez":
            path = "other" if request.url.path == "/nothing" else request.url.path
            told[path, str(status)] += 1
    after = scrape(service.url)
    assert read_requests(after) - read_requests(before) == told
    classified = told["/predict", "200"] + told["/predict/raw", "200"]
    assert classified == 3 * COUNT

    def count(name: str, **labels: str) -> float:
        return add_up(after, name, **labels) - add_up(before, name, **labels)

    assert count("vitrine_images_total", outcome="classified") == classified
    assert count("vitrine_images_total") == 5 * COUNT
    assert count("vitrine_top_labels_total") == classified
    assert count("vitrine_top_labels_total", label="7") >= 2 * COUNT
    for stage in ("read", "wait", "batch", "inference"):
        assert count("vitrine_stage_seconds_count", stage=stage) == classified
    # Probes run on the model too.
    assert count("vitrine_batch_images_sum") >= classified
    assert count("vitrine_group_images_sum") == count("vitrine_batch_images_sum")
    assert 0 < count("vitrine_stage_seconds_sum") < count("vitrine_request_seconds_sum")


def test_the_model_and_its_limits_are_told(service: Service) -> None:
    """Once for each replica."""
    page = scrape(service.url)
    health = httpx.get(f"{service.url}/health", timeout=30).json()
    about = {"id": health["model"]["id"], "revision": health["model"]["revision"]}
    assert add_up(page, "vitrine_model_info", deployment="Classifier", **about) == 1
    assert add_up(page, "vitrine_model_failing") == 0
    assert add_up(page, "vitrine_model_load_seconds") > 0
    assert add_up(page, "vitrine_batch_images_limit") == 32
    assert add_up(page, "vitrine_reading_processes") >= 1
    assert add_up(page, "vitrine_images_capacity") >= 1
    assert add_up(page, "vitrine_silent_replicas") == 0
    assert not any(name.startswith("python_") for name in page)


def test_calls_by_grpc_are_counted_with_the_others(service: Service) -> None:
    """By their method and status; their probes are not."""
    route = "/vitrine.v1.Classifier/Predict"
    before = scrape(service.url)
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        stub = ClassifierStub(channel)
        metadata = [("application", "vitrine")]
        stub.Predict(PredictRequest(image=SEVEN.read_bytes()), metadata=metadata, timeout=30)
        with pytest.raises(grpc.RpcError):
            stub.Predict(PredictRequest(image=b"text"), metadata=metadata, timeout=30)
    after = scrape(service.url)
    counted = read_requests(after) - read_requests(before)
    assert counted == {(route, "OK"): 1, (route, "INVALID_ARGUMENT"): 1}


def test_metrics_of_a_service_with_keys_need_one(closed: Service) -> None:
    """As /predict does, whatever header says that HAProxy has let the request in."""
    forged = {METRICS_PORT: "1"}
    assert httpx.get(f"{closed.url}/metrics", headers=forged, timeout=30).status_code == 401
    assert "vitrine_images_capacity" in scrape(closed.url, {"X-API-Key": ANN})


def test_a_port_of_their_own_shows_metrics_alone(closed: Service) -> None:
    """Without a key; every other path is not there."""
    url = f"http://127.0.0.1:{closed.metrics_port}"
    assert "vitrine_images_capacity" in scrape(url)
    for path in ("/labels", "/predict", "/metrics/", "/-/routes"):
        assert httpx.get(f"{url}{path}", timeout=30).status_code == 404


def test_what_haproxy_refuses_is_counted_too(closed: Service) -> None:
    """All 503 that clients got are the service's and HAProxy's, to the request."""
    requests = [
        make_upload(SEVEN.read_bytes(), headers={"X-API-Key": ANN}, url=closed.url)
        for _ in range(FLOOD)
    ]
    page = f"http://127.0.0.1:{closed.metrics_port}"
    before = scrape(page)
    with ThreadPoolExecutor(32) as threads:
        told = Counter(response.status_code for response in threads.map(send, requests))
    after = scrape(page)

    def count(name: str, **labels: str) -> float:
        return add_up(after, name, **labels) - add_up(before, name, **labels)

    assert told.keys() == {200, 503}
    refused = count("vitrine_proxy_refusals_total", api="http")
    assert refused > 0
    assert refused + count("vitrine_requests_total", status="503") == told[503]
    assert count("vitrine_requests_total", status="200") == told[200]
    answers = count("vitrine_proxy_responses_total", api="http", code="5xx")
    assert answers == told[503]
    assert add_up(after, "vitrine_proxy_up") == 1
    assert add_up(after, "vitrine_proxy_replicas", api="http", state="up") >= 1
