"""Host rules: which hosts a client's URL may name, by an allow list and a deny list."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

PATTERN = r"^(\*|(\*\.)?[a-z0-9.-]+)(,(\*\.)?[a-z0-9.-]+)*$"
"""`*`, or hosts such as cdn.example and *.cdn.example, separated by commas."""

Network = IPv4Network | IPv6Network

_NUMBERS = re.compile(r"[:/]|\.\d+$|^\d+$")
"""Matches addresses and networks, and no host name."""


@dataclass(frozen=True, slots=True)
class HostRules:
    """Hosts that may be fetched from.

    Attributes:
        allowed: names, `*.name` for all subdomains, `*` for all.
        denied: the same; takes precedence.
        networks: denied addresses, whatever names resolve to them.
    """

    allowed: tuple[str, ...]
    denied: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()

    def allow(self, host: str) -> bool:
        """Tell whether a host's name is permitted."""
        name = host.lower().rstrip(".")
        return _matches(name, self.allowed) and not _matches(name, self.denied)


def make_rules(allowed: str | None, denied: str | None) -> HostRules | None:
    """Make the rules from two lists; None if no host is allowed."""
    if allowed is None:
        return None
    hosts = _parse_hosts(denied)
    return HostRules(_parse_hosts(allowed), hosts, _parse_networks(hosts))


def _parse_hosts(text: str | None) -> tuple[str, ...]:
    """Parse a list of hosts."""
    return tuple(text.lower().split(",")) if text else ()


def _parse_networks(hosts: tuple[str, ...]) -> tuple[Network, ...]:
    """Parse the addresses and networks of a list, such as 203.0.113.0/24; raises ValueError."""
    return tuple(ip_network(host) for host in hosts if _NUMBERS.search(host))


def check_denied(text: str) -> None:
    """Check a list of hosts, addresses and networks; raises ValueError."""
    hosts = _parse_hosts(text)
    _parse_networks(hosts)
    for host in hosts:
        if not _NUMBERS.search(host) and not re.match(PATTERN, host):
            raise ValueError(f"{host!r} is not a host, such as bad.example or *.bad.example")


def _matches(name: str, hosts: tuple[str, ...]) -> bool:
    """Tell whether a name is one of the hosts, or a subdomain of one that begins with `*.`."""
    return any(
        host in {"*", name} or (host.startswith("*.") and name.endswith(host[1:])) for host in hosts
    )
