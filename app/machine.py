"""What this process may use of the machine."""

import os


def count_cores() -> int:
    """Count the cores that this process may use; a container may have fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
