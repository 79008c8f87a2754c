"""What several files here share beside the services of tests/conftest.py."""

from collections.abc import Iterator

import pytest

from tests.support.triton import Triton, start_triton


@pytest.fixture(scope="session")
def triton() -> Iterator[Triton]:
    """Triton's own client, once for all."""
    with start_triton() as running:
        yield running
