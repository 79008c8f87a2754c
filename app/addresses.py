"""Addresses of hosts: which a name has, and which are public."""

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses behind NAT64 (RFC 6052)."""

_UNICAST = ipaddress.ip_network("2000::/3")
"""What is given out as global so far (RFC 4291); the rest is not for us, whatever it becomes."""

_KEPT = tuple(map(ipaddress.ip_network, ("168.63.129.16/32", "192.88.99.0/24", "3fff::/20")))
"""Azure's own host, the old 6to4 relays, documents (RFC 9637): not private to Python."""


class Resolver:
    """Finds the addresses of hosts as the system does, numbers in any spelling too.

    Args:
        threads: how many at once; they are its own, because a look-up cannot be given up.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Find the addresses of a host and port; raises OSError or UnicodeError."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return [str(address[4][0]) for address in found]


def is_public(text: str) -> bool:
    """Tell whether an address is one of the public internet, whatever way it is written.

    An IPv6 address that carries an IPv4 one (mapped, 6to4, Teredo, NAT64) is as public as that.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        teredo = address.teredo[1] if address.teredo else None
        carried = address.ipv4_mapped or address.sixtofour or teredo
        if address in _TRANSLATED:
            carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(str(carried))
        if address not in _UNICAST:
            return False
    is_kept = any(address in network for network in _KEPT)
    return address.is_global and not address.is_multicast and not is_kept
