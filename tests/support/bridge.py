"""A bridge with network namespaces on it, each at an address of its own (root, Linux).

This process is on the bridge too, outside of the namespaces.
"""

import contextlib
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge.

    Attributes:
        name: of its interface.
        subnet: the first three numbers of every address on it.
    """

    name: str
    subnet: str


def find_hindrance() -> str | None:
    """Find why no namespaces can be made here; None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the program ip is not installed (package iproute2)"
    name = f"vt{uuid.uuid4().hex[:6]}"
    tried = _try_ip("netns", "add", name)
    if tried.returncode:
        return f"no network namespace can be made: {tried.stderr.strip()}"
    run_ip("netns", "del", name)
    return None


@contextlib.contextmanager
def make_bridge() -> Iterator[Bridge]:
    """Make a bridge with a subnet that no other interface has.

    It is named after its subnet, and there is one interface of a name: so two processes that look
    for a subnet at once do not take the same one.
    """
    bridge = _add_bridge()
    try:
        run_ip("addr", "add", f"{bridge.subnet}.1/24", "dev", bridge.name)
        run_ip("link", "set", bridge.name, "up")
        yield bridge
    finally:
        run_ip("link", "del", bridge.name)


@contextlib.contextmanager
def make_namespaces(bridge: Bridge, addresses: Mapping[str, str]) -> Iterator[None]:
    """Make a namespace for each name, which has this address on the bridge.

    The end of its cable on the bridge has its name and an `h`, the other one its name and an `n`.
    """
    with contextlib.ExitStack() as stack:
        for name, address in addresses.items():
            run_ip("netns", "add", name)
            stack.callback(run_ip, "netns", "del", name)
            here, there = f"{name}h", f"{name}n"
            run_ip("link", "add", here, "type", "veth", "peer", "name", there)
            run_ip("link", "set", there, "netns", name)
            run_ip("link", "set", here, "master", bridge.name, "up")
            inside = ("netns", "exec", name, "ip")
            run_ip(*inside, "addr", "add", f"{address}/24", "dev", there)
            run_ip(*inside, "link", "set", there, "up")
            run_ip(*inside, "link", "set", "lo", "up")
        yield


def run_ip(*arguments: str) -> None:
    """Run `ip`, which must succeed."""
    done = _try_ip(*arguments)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"


def _add_bridge() -> Bridge:
    """Add the interface of a bridge that can have a subnet of its own."""
    taken = {
        one.address.rpartition(".")[0] for each in psutil.net_if_addrs().values() for one in each
    }
    reason = "all subnets are taken"
    for bridge in (Bridge(f"vtbridge{number}", f"10.77.{number}") for number in range(256)):
        if bridge.subnet not in taken:
            tried = _try_ip("link", "add", bridge.name, "type", "bridge")
            if tried.returncode == 0:
                return bridge
            reason = tried.stderr.strip()
    raise AssertionError(f"no bridge can be made: {reason}")


def _try_ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `ip`, which may fail."""
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
