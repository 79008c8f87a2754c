"""GET /metrics, and the names of routes that requests are counted by."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import httpx
import pytest

from app.api.http.factory import ROUTERS, create_app
from app.api.http.route_names import RouteNames
from app.api.services import METRICS_PORT, Metrics, build_services
from app.auth.keys import parse_keys
from app.errors import NotFoundError, UnauthorizedError, UnsupportedMediaTypeError
from app.observability.metrics import Snapshot, take_snapshot
from app.observability.request_metrics import OTHER_ROUTE
from app.prediction.predictor import Predictor
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, URL, open_services
from tests.support.problems import read_problem
from tests.support.scrapes import OPEN_METRICS, Page, add_up, read_page
from tests.support.service import ANN
from tests.support.uploads import encode_grey, make_upload

KEY = {"X-API-Key": ANN}


def open_client(
    access: Literal["keyed", "open", "off"] = "keyed", keys: str = "", *, has_port: bool = False
) -> httpx.AsyncClient:
    """Open a client of an app with metrics."""

    async def collect() -> tuple[Sequence[Snapshot], Mapping[str, int]]:
        return [take_snapshot("Ingress", "a")], {"Classifier": 1}

    predictor = Predictor(FakeBackend(), LIMITS)
    metrics = Metrics(collect, access, has_port=has_port)
    return open_services(
        build_services(predictor, parse_keys(keys) if keys else (), metrics=metrics)
    )


async def scrape(client: httpx.AsyncClient) -> Page:
    """Scrape an app."""
    return read_page((await client.get("/metrics", headers=KEY)).text)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (OPEN_METRICS, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (f"{OPEN_METRICS};q=0.5,text/plain;version=0.0.4;q=0.3", "application/openmetrics-text;"),
        ("application/openmetrics-text; version=-1", ""),
        ("text/plain; version=abc", "text/plain; version=0.0.4; charset=utf-8"),
        ('application/openmetrics-text; version=1.0.0-rc1"', "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=" + "9" * 1000, ""),
        ("application/openmetrics-text; version=1.0.0; escaping=" + "x" * 1000, ""),
        ("", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
async def test_the_page_has_the_format_that_is_asked_for(accept: str, content_type: str) -> None:
    """Whatever stands in the header."""
    async with open_client() as client:
        response = await client.get("/metrics", headers={"Accept": accept})
    assert response.status_code == 200
    given = response.headers["content-type"]
    assert given.startswith(content_type)
    page = read_page(response.text, is_open=given.startswith("application/openmetrics-text"))
    assert add_up(page, "vitrine_silent_replicas", deployment="Classifier") == 1


async def test_metrics_need_the_key_that_predictions_need() -> None:
    """Unless they are open to everybody."""
    async with open_client(keys=f"ann:{ANN}") as client:
        read_problem(await client.get("/metrics"), UnauthorizedError)
        assert (await client.get("/metrics", headers=KEY)).status_code == 200
    async with open_client("open", f"ann:{ANN}") as client:
        assert (await client.get("/metrics")).status_code == 200
        read_problem(await client.get("/labels"), UnauthorizedError)


async def test_metrics_may_be_off() -> None:
    """The answer says by which setting."""
    async with open_client("off") as client:
        assert "VITRINE_METRICS" in read_problem(await client.get("/metrics"), NotFoundError).detail


async def test_metrics_on_a_port_of_their_own_need_no_key() -> None:
    """HAProxy tells it by a header, which counts for nothing where there is no such port."""
    by_port = {METRICS_PORT: "1"}
    for access in ("keyed", "off"):
        async with open_client(access, f"ann:{ANN}", has_port=True) as client:
            assert (await client.get("/metrics", headers=by_port)).status_code == 200
            read_problem(await client.get("/metrics"), UnauthorizedError)
            read_problem(await client.get("/labels", headers=by_port), UnauthorizedError)
    async with open_client(keys=f"ann:{ANN}") as client:
        read_problem(await client.get("/metrics", headers=by_port), UnauthorizedError)


async def test_each_request_is_counted_once() -> None:
    """By its route and the type of its problem, refused before or after its body."""
    upload, text = make_upload(encode_grey(), url=URL), make_upload(b"text", url=URL)
    async with open_client(keys=f"ann:{ANN}") as client:
        before = await scrape(client)
        for request in (upload, text, make_upload(encode_grey(), headers=KEY, url=URL)):
            request.headers.setdefault("X-API-Key", ANN)
            await client.send(request)
        await client.post("/predict")
        await client.get("/nothing/at/all", headers=KEY)
        await client.get("/v2/models/vitrine", headers=KEY)
        for path in ("/livez", "/readyz", "/health", "/metrics"):
            await client.get(path, headers=KEY)
        after = await scrape(client)
    name = "vitrine_requests_total"
    changes = {
        labels: value - before[name].get(labels, 0)
        for labels, value in after[name].items()
        if value != before[name].get(labels, 0)
    }
    replica = {("deployment", "Ingress"), ("replica", "a")}
    found = {
        tuple(value for _, value in sorted(labels - replica)): count
        for labels, count in changes.items()
    }
    assert found == {
        ("", "/predict", "200"): 2,
        (UnsupportedMediaTypeError.type, "/predict", "415"): 1,
        (UnauthorizedError.type, "/predict", "401"): 1,
        (NotFoundError.type, OTHER_ROUTE, "404"): 1,
        (NotFoundError.type, "/v2/models/{name}", "404"): 1,
    }


@pytest.mark.parametrize(
    "path",
    ['/x"} 1', "/predict%0a/metrics", "/%0a", "/predict/", "/page/../predict", "/" + "x" * 5000],
)
async def test_no_path_makes_a_series_of_its_own(path: str) -> None:
    """What is not there is one route, whatever it is called."""
    async with open_client() as client:
        before = await scrape(client)
        await client.get(path)
        after = await scrape(client)
    counted = after["vitrine_requests_total"].keys() - before["vitrine_requests_total"].keys()
    routes = {dict(labels)["route"] for labels in counted}
    assert routes <= {OTHER_ROUTE, "/page/{name}", "/predict"}
    assert add_up(after, "vitrine_requests_total") == add_up(before, "vitrine_requests_total") + 1


def test_every_path_of_the_api_has_a_name() -> None:
    """None is among the others."""
    find = RouteNames(ROUTERS).find
    paths = create_app(build_services(Predictor(FakeBackend(), LIMITS))).openapi()["paths"]
    assert len(paths) > 10
    assert [path for path in paths if find(re.sub(r"{\w+}", "x", path)) != path] == []
