"""What the process of every replica sets up before its deployment.

Log lines, a check of its environment, where it listens, how often Python looks for cycles, and that
no metrics are recorded.
"""

import ctypes
import gc
import math
import sys
from pathlib import Path

import ray

from app.deployments.self_check import check_environment
from app.deployments.serve_patches import bind_replica, drop_metrics
from app.network import is_loopback
from app.observability.logs import choose_format, configure_logging
from app.settings import Settings

STOP_S = 20.0
"""Seconds that a replica gets to answer what it has begun."""

GC_THRESHOLD = 50_000
"""New objects after which Python looks for cycles; its own 700 are those of a request or two."""


def configure_replica(settings: Settings, log_pipe: Path | None) -> None:
    """Configure this replica's process; call it in a deployment's constructor.

    Raises:
        StartupError: the replica cannot be kept on this machine, or HAProxy would be unsafe.
    """
    style = choose_format(settings.log_format, is_terminal=False)
    configure_logging(style, settings.log_level, log_pipe)
    is_alone = is_loopback(ray.util.get_node_ip_address())
    check_environment(is_alone=is_alone)
    gc.set_threshold(GC_THRESHOLD)
    drop_metrics()
    if is_alone:
        bind_replica()


def count_sharing(replicas: int) -> int:
    """Count those of so many replicas that may run on this node: its share of them."""
    nodes: int = sum(
        node["Alive"] and bool({"CPU", "GPU"} & node["Resources"].keys()) for node in ray.nodes()
    )
    return math.ceil(replicas / max(1, nodes))


_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of mallopt(3)."""

LARGE_BYTES = 128 << 10
"""From this size on a block is the system's again when it is freed."""


def configure_malloc() -> None:
    """Let this process give large blocks back when it frees them; on glibc alone.

    glibc raises that size to the largest block that was freed, up to 32 MiB: then smaller blocks
    settle between the bodies of uploads, and the heap does not shrink any more.
    """
    if sys.platform != "linux":
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, LARGE_BYTES)
