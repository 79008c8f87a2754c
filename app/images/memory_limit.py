"""The memory of a process that reads images: a limit while it reads one, and its heap; on Linux."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

BoundMemory = Callable[[int], AbstractContextManager[None]]
"""Limits the bytes that may be allocated inside; further allocations raise MemoryError."""

BASE_BYTES = 20 << 20
BYTES_PER_PIXEL = 32
"""Bytes that may be allocated for an image, and for each pixel that its header announces.

Readers need up to 20 bytes a pixel.
"""

MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_TOP_PAD_": str(16 << 20),
}
"""Environment of a worker: glibc's heap else grows and shrinks while a hostile image is read.
A TIFF of many fractions took 15 s, most of it in the kernel, and takes 6 s with these."""


def count_memory(pixels: int) -> int:
    """Count the bytes that may be allocated for an image of so many pixels."""
    return BASE_BYTES + BYTES_PER_PIXEL * pixels


def leave_unbounded(_: int) -> AbstractContextManager[None]:
    """Set no limit: for a process that does more than read images."""
    return nullcontext()


def make_bound() -> BoundMemory:
    """Make the limit for this process, all its threads together."""
    if sys.platform != "linux":
        return leave_unbounded
    statm = Path("/proc/self/statm")
    page, limits = resource.getpagesize(), resource.getrlimit(resource.RLIMIT_DATA)
    maximum = sys.maxsize if limits[0] == resource.RLIM_INFINITY else limits[0]

    @contextmanager
    def bound_memory(count: int) -> Iterator[None]:
        used = int(statm.read_text().split()[5]) * page
        resource.setrlimit(resource.RLIMIT_DATA, (min(used + count, maximum), limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, limits)

    return bound_memory
