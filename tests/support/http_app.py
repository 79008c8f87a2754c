"""The app over a fake classifier, in process and without Ray."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from app.api.http.factory import create_app
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


@asynccontextmanager
async def open_client(
    backend: Backend,
    limits: Limits = LIMITS,
    keys: tuple[Key, ...] = (),
    cors_origins: tuple[str, ...] = (),
) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client of the app over `backend`."""
    app = create_app(Predictor(backend, limits), keys=keys, cors_origins=cors_origins)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
        yield client


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
