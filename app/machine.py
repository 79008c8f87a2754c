"""The resources of this machine that this process may use."""

import os


def count_cores() -> int:
    """Count the CPU cores that this process may use; a container may have fewer."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
