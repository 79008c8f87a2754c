"""The services that tests/serve and tests/e2e share: started when the first of them needs one."""

import logging
from collections.abc import Iterator

import pytest
from PIL import Image
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from app.auth.keys import hash_key
from tests.support.ports import find_port
from tests.support.service import ANN, BOB, EVERYWHERE, ORIGIN, Service, start_service

ALONE = "test_calls.py"
"""The file of tests/serve that shares no service: it starts a Ray of its own."""


class FileScheduling(LoadFileScheduling):  # type: ignore[misc] # pytest-xdist has no types
    """With -n, a file is run by one process, and all that share a service by the same one.

    The groups of pytest-xdist 3.8 (--dist loadgroup) have no effect with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Name what a test is run together with; the way that pytest-xdist is extended."""
        file = str(super()._split_scope(nodeid))
        is_shared = file.startswith(("tests/serve/", "tests/e2e/")) and not file.endswith(ALONE)
        return "services" if is_shared else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileScheduling:
    """Let pytest-xdist schedule by file."""
    return FileScheduling(config, log)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, each on an event loop of its own."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep converted models apart from the user's, for as long as the tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", autouse=True)
def _own_pixel_limit() -> Iterator[None]:
    """Put Pillow's own limit back, which every ImageDecoder replaces; none is made by an import."""
    limit = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = limit


@pytest.fixture(autouse=True)
def _seen_logs() -> None:
    """Let `caplog` see our log, although a command that ran before may have kept it to itself."""
    logger = logging.getLogger("vitrine")
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


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
        metrics_port=str(find_port()),
    ) as running:
        running.wait_until_ready()
        yield running
        running.assert_stops()
