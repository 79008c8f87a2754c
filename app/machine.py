"""The resources of this machine that this process may use."""

import contextlib
import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def count_cores(cgroup: Path = CGROUP) -> int:
    """Count the CPU cores that this process may use; a container may have fewer, or a part of one.

    Args:
        cgroup: where the system tells the limits of this process.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, math.ceil(_read_quota(cgroup, cores or 1))))


def _read_quota(cgroup: Path, default: float) -> float:
    """Read how many cores' time a container may take (`docker run --cpus`, `limits.cpu`).

    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files, and version 1 before it.
    """
    version_1 = [cgroup / "cpu" / f"cpu.cfs_{name}_us" for name in ("quota", "period")]
    for paths in ([cgroup / "cpu.max"], version_1):
        with contextlib.suppress(OSError, ValueError):  # no such file, or no limit: "max"
            quota, period = map(int, " ".join(path.read_text() for path in paths).split())
            if quota > 0:
                return quota / period
    return default
