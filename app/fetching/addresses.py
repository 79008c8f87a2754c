"""IP addresses: those of a host, whether one is public, and this machine's own."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psutil

from app.fetching.host_rules import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""NAT64 addresses, which carry IPv4 ones (RFC 6052)."""

_UNICAST = ipaddress.ip_network("2000::/3")
"""The only global unicast addresses allocated so far (RFC 4291)."""

_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "192.88.99.0/24", "3fff::/20")))
"""Azure's platform host, 6to4 relays, documentation (RFC 9637): global, according to Python."""


class Resolver:
    """Resolves hosts as the system does, on its own threads, because it cannot be cancelled."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Resolve a host and port; raises OSError or UnicodeError."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [str(address[4][0]) for address in found]


def is_public(text: str) -> bool:
    """Tell whether an address is on the public internet.

    For an IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64), the latter decides.
    """
    address = _parse(text)
    carried = _find_carried(address)
    if carried is not None:
        return is_public(str(carried))
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    is_excluded = any(address in network for network in _NOT_PUBLIC)
    return address.is_global and not address.is_multicast and not is_excluded


def is_within(text: str, networks: Iterable[Network]) -> bool:
    """Tell whether an address, or the IPv4 one that it carries, is in one of the networks."""
    address = _parse(text)
    both = (address, _find_carried(address) or address)
    return any(one in network for one in both for network in networks)


def list_own() -> list[Network]:
    """List the addresses of this machine's interfaces; one behind NAT is not among them."""
    found = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    families = {socket.AF_INET, socket.AF_INET6}
    return [ipaddress.ip_network(_parse(one.address)) for one in found if one.family in families]


def _parse(text: str) -> Address:
    """Parse an address, without the zone of fe80::1%eth0."""
    return ipaddress.ip_address(text.partition("%")[0])


def _find_carried(address: Address) -> ipaddress.IPv4Address | None:
    """Find the IPv4 address that an IPv6 one carries."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo
