"""The services that tests/serve and tests/e2e share: started when the first of them needs one."""

from collections.abc import Iterator

import pytest

from app.auth.keys import hash_key
from tests.support.ports import find_port
from tests.support.service import ANN, BOB, EVERYWHERE, ORIGIN, Service, start_service


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, each on an event loop of its own."""
    return "asyncio"


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with its defaults and gRPC, once for all; at the end it stops as it must."""
    folder = tmp_path_factory.mktemp("service")
    with start_service(folder, grpc_port=str(find_port())) as running:
        running.wait_until_ready()
        yield running
        running.assert_stops()


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two keys that listens everywhere and holds few images; it stops as it must."""
    folder = tmp_path_factory.mktemp("closed")
    keys = f"ann:{ANN},bob:{hash_key(BOB)}"
    with start_service(
        folder,
        host=EVERYWHERE,
        api_keys=keys,
        cors_origins=ORIGIN,
        max_queue="2",
        grpc_port=str(find_port()),
    ) as running:
        running.wait_until_ready()
        yield running
        running.assert_stops()
