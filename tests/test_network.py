"""Which addresses are this machine alone."""

import pytest

from app.network import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_some_hosts_are_this_machine_alone(host: str) -> None:
    """Nobody else reaches these."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "vitrine.example", "127.1"],  # noqa: S104
)
def test_others_are_not(host: str) -> None:
    """Whatever is not certainly this machine alone counts as the network."""
    assert not is_loopback(host)
