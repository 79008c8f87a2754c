"""Settings of the tests of the HTTP API."""

import pytest

from app.api.http import request_context


@pytest.fixture(autouse=True)
def _closes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an early answer nothing more is read, so that a test sees what was read for it."""
    monkeypatch.setattr(request_context, "MAX_LINGER_BYTES", 0)
