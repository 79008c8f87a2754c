"""The service that tests/serve and tests/e2e share: started when the first of them needs it."""

from collections.abc import Iterator

import pytest

from tests.serve.service import Service, start_service


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with its defaults, once for all; at the end it stops as it must."""
    with start_service(tmp_path_factory.mktemp("service")) as running:
        running.wait_until_ready()
        yield running
        running.assert_stops()
