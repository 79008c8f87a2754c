"""What a replica's process gives back, and how many classifiers share its node."""

import os
import platform
import subprocess
import sys

import pytest
import ray

from app.deployments.replica import count_sharing

_PROGRAM = """
import sys
from pathlib import Path
from app.deployments.replica import configure_malloc

def measure():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1:] == ["gives back"]:
    configure_malloc()
block = bytearray(30_000_000)
del block  # from now on glibc would keep blocks up to this size
before = measure()
blocks = [(bytearray(1_000_000), bytearray(2000)) for _ in range(100)]
small = [between for _, between in blocks]
del blocks
print(measure() - before)
"""


def _keep(*arguments: str) -> int:
    """Return the bytes that a process keeps of 100 MB which it has freed."""
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that keeps blocks")
def test_freed_blocks_go_back_to_the_system() -> None:
    """Of an upload nothing is left, where glibc would keep most of it."""
    assert _keep("gives back") < 5_000_000
    assert _keep() > 20_000_000


@pytest.mark.parametrize(
    ("replicas", "nodes", "sharing"),
    [
        (4, [{"CPU": 8.0}], 4),
        (4, [{"CPU": 8.0}, {"CPU": 8.0}, {}], 2),
        (3, [{"CPU": 8.0}, {"GPU": 1.0}], 2),
        (1, [{"CPU": 8.0}, {"CPU": 8.0}], 1),
    ],
)
def test_replicas_share_the_cores_of_the_nodes(
    monkeypatch: pytest.MonkeyPatch,
    replicas: int,
    nodes: list[dict[str, float]],
    sharing: int,
) -> None:
    """Those that may run, over the nodes that have something to run them on."""
    alive = [{"Alive": True, "Resources": one} for one in nodes]
    gone = {"Alive": False, "Resources": {"CPU": 8.0}}
    monkeypatch.setattr(ray, "nodes", lambda: [*alive, gone])
    assert count_sharing(replicas) == sharing
