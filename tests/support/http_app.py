"""The app over a fake classifier, in process and without Ray."""

import asyncio

import httpx

from app.api.http.factory import create_app
from app.api.services import Services, build_services
from app.auth.keys import Key
from app.backend import Backend
from app.limits import Limits
from app.prediction.predictor import Predictor
from tests.support.fake_backend import FakeBackend

URL = "http://vitrine.test"
MAX_BYTES = 50_000
LIMITS = Limits(
    max_bytes=MAX_BYTES, max_pixels=50_000_000, max_queue=64, timeout_s=20, batch_size=4
)


def open_predictor(
    predictor: Predictor, keys: tuple[Key, ...] = (), cors_origins: tuple[str, ...] = ()
) -> httpx.AsyncClient:
    """Open a client of the app over a predictor."""
    return open_services(build_services(predictor, keys), cors_origins)


def open_services(services: Services, cors_origins: tuple[str, ...] = ()) -> httpx.AsyncClient:
    """Open a client of the app over services."""
    transport = httpx.ASGITransport(app=create_app(services, cors_origins=cors_origins))
    return httpx.AsyncClient(transport=transport, base_url=URL)


def open_client(
    backend: Backend,
    limits: Limits = LIMITS,
    keys: tuple[Key, ...] = (),
    cors_origins: tuple[str, ...] = (),
) -> httpx.AsyncClient:
    """Open a client of the app over a backend."""
    return open_predictor(Predictor(backend, limits), keys, cors_origins)


def answer(
    request: httpx.Request, backend: Backend | None = None, limits: Limits = LIMITS
) -> httpx.Response:
    """Let a fresh app answer one request."""

    async def send() -> httpx.Response:
        async with open_client(backend or FakeBackend(), limits) as client:
            return await client.send(request)

    return asyncio.run(send())


def get(path: str, headers: dict[str, str] | None = None) -> httpx.Request:
    """Make a GET request."""
    return httpx.Request("GET", URL + path, headers=headers)
