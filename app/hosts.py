"""Which hosts a client's URL may name: a list that allows, a list that denies."""

from dataclasses import dataclass

PATTERN = r"^(\*|(\*\.)?[a-z0-9.-]+)(,(\*\.)?[a-z0-9.-]+)*$"
"""`*`, or hosts such as cdn.example and *.cdn.example, several with commas."""


@dataclass(frozen=True, slots=True)
class HostRules:
    """Hosts that may be asked.

    Attributes:
        allowed: names, `*.name` for all below a name, `*` for all.
        denied: the same, and it counts for more.
    """

    allowed: tuple[str, ...]
    denied: tuple[str, ...] = ()

    def allow(self, host: str) -> bool:
        """Tell whether a host may be asked."""
        name = host.lower().rstrip(".")
        return _matches(name, self.allowed) and not _matches(name, self.denied)


def parse_hosts(text: str | None) -> tuple[str, ...]:
    """Parse a list of hosts."""
    return tuple(text.lower().split(",")) if text else ()


def _matches(name: str, hosts: tuple[str, ...]) -> bool:
    """Tell whether a name is one of the hosts, or below one that begins with `*.`."""
    return any(
        host in {"*", name} or (host.startswith("*.") and name.endswith(host[1:])) for host in hosts
    )
