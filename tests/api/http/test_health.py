"""GET /health, /readyz and /livez: well, ready, alive."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from app.errors import ModelUnavailableError
from app.prediction import probe
from schemas import Health, Queue
from tests.support.fake_backend import FakeBackend
from tests.support.http_app import LIMITS, URL, answer, get, open_client
from tests.support.problems import read_problem
from tests.support.uploads import encode_grey, make_upload

_SOON = replace(LIMITS, timeout_s=0.05)


def fail(backend: FakeBackend) -> None:
    """Let the backend refuse."""
    backend.fail(ModelUnavailableError("The replica is gone."))


def heal(backend: FakeBackend) -> None:
    """Let the backend answer again."""
    backend.fail(None)


TROUBLES: dict[str, tuple[Callable[[FakeBackend], None], Callable[[FakeBackend], None]]] = {
    "hangs": (FakeBackend.hang, FakeBackend.resume),
    "fails": (fail, heal),
}


def test_health_tells_what_is_served() -> None:
    """Health names model, revision and device, how long it is up and when it last inferred."""
    response = answer(get("/health"))
    health = Health.model_validate_json(response.content, strict=True)
    assert response.status_code == 200
    assert (health.status, health.device) == ("ok", "cpu")
    assert (health.model.id, health.model.revision) == ("fake", "first")
    assert health.last_inference_s is not None
    assert 0 <= health.last_inference_s < 5
    assert health.queue == Queue(images=0, bytes=0, refused=0, cancelled=0)
    assert 0 <= health.uptime_s < 60


@pytest.mark.parametrize("path", ["/health", "/readyz"])
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_health_tells_the_truth(
    path: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no inference succeeds it is 503, and 200 as soon as one does."""
    monkeypatch.setattr(probe, "PROBE_TIMEOUT_S", 0.2)
    begin, end = TROUBLES[trouble]
    backend = FakeBackend()
    begin(backend)
    async with open_client(backend, _SOON) as client:
        ill = [await client.get(path), await client.get(path)]
        end(backend)
        result = [*ill, await client.get(path)]
    *ill, well = result
    for response in ill:
        read_problem(response, ModelUnavailableError)
    assert (well.status_code, well.json()["status"]) == (200, "ok")


async def test_checks_share_one_inference() -> None:
    """Many checks at the same time cost one image."""
    backend = FakeBackend()
    async with open_client(backend) as client:
        responses = await asyncio.gather(*(client.get("/health") for _ in range(20)))
    images = sum(len(group.pixels) for group in backend.groups)
    assert {response.status_code for response in responses} == {200}
    assert images == 1


async def test_traffic_is_proof_of_health() -> None:
    """After a client's prediction no image of our own is sent."""
    backend = FakeBackend()
    async with open_client(backend) as client:
        await client.send(make_upload(encode_grey(), url=URL))
        response = await client.get("/health")
    groups = len(backend.groups)
    assert (response.status_code, groups) == (200, 1)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_livez_asks_nothing_of_the_model(trouble: str) -> None:
    """The process is alive while the model is not."""
    backend = FakeBackend()
    TROUBLES[trouble][0](backend)
    response = answer(get("/livez"), backend)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    assert (backend.describe_calls, backend.groups) == (0, [])
