"""Which hosts a URL may name."""

import pytest
from pydantic import ValidationError

from app.fetching.host_rules import HostRules
from app.settings import Settings


@pytest.mark.parametrize(
    ("allowed", "denied", "host", "may"),
    [
        ("*", None, "any.example", True),
        ("*", "bad.example", "bad.example", False),
        ("*", "*.bad.example", "very.bad.example", False),
        ("*", "*.bad.example", "bad.example", True),
        ("cdn.example", None, "CDN.example.", True),
        ("cdn.example", None, "x.cdn.example", False),
        ("cdn.example", None, "notcdn.example", False),
        ("a.example,*.cdn.example", None, "x.y.cdn.example", True),
        ("*.cdn.example", None, "xcdn.example", False),
        ("*.cdn.example", None, "cdn.example", False),
        ("*.cdn.example", "x.cdn.example", "X.cdn.example", False),
    ],
)
def test_a_list_allows_and_a_list_denies(
    allowed: str, denied: str | None, host: str, *, may: bool
) -> None:
    """What is denied is not asked, whatever is allowed; names are those of DNS."""
    rules = Settings(allow_urls=allowed, deny_urls=denied).make_host_rules()
    assert rules is not None
    assert rules.allow(host) is may


def test_nothing_is_fetched_unasked() -> None:
    """A list of hosts that are denied allows none."""
    assert Settings(deny_urls="bad.example").make_host_rules() is None
    assert HostRules(()).allow("any.example") is False


@pytest.mark.parametrize("text", ["https://cdn.example", "a.example, b.example", "*example", "a/b"])
def test_a_list_that_cannot_be_read_is_refused(text: str) -> None:
    """A list has names, no URLs and no spaces."""
    with pytest.raises(ValidationError, match="allow_urls"):
        Settings(allow_urls=text)


def test_addresses_and_networks_are_denied_beside_names() -> None:
    """Of either family; a name that looks like one stays a name."""
    text = "bad.example,203.0.113.0/24,198.51.100.7,2001:db8::/32,2001:4860::8,7.example"
    rules = Settings(allow_urls="*", deny_urls=text).make_host_rules()
    assert rules is not None
    networks = ["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32", "2001:4860::8/128"]
    assert [str(network) for network in rules.networks] == networks
    assert not rules.allow("bad.example")
    assert not rules.allow("7.example")
    assert rules.allow("good.example")


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.7/24",
        "203.0.113.0/33",
        "203.0.113",
        "256.0.0.1",
        "010.0.0.1",
        "2001:db8::/129",
        "2001:db8:::",
        "[2001:db8::1]",
        "http://bad.example",
        "bad.example/24",
        "bad.example:80",
        "a.example, b.example",
        "a.example,",
        "*example",
    ],
)
def test_a_list_that_would_not_deny_what_it_means_is_refused(text: str) -> None:
    """It is refused when the service starts."""
    with pytest.raises(ValidationError, match="deny_urls"):
        Settings(deny_urls=text)
