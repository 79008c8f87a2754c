"""Addresses of hosts: which a name has, and which are public."""

import asyncio
import ipaddress
import socket

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""IPv4 addresses behind NAT64 (RFC 6052)."""

_UNICAST = ipaddress.ip_network("2000::/3")
"""What is given out as global so far (RFC 4291); the rest is not for us, whatever it becomes."""


async def resolve_host(host: str, port: int) -> list[str]:
    """Resolve a host as the system does, numbers in any spelling too."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
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
    return address.is_global and not address.is_multicast
