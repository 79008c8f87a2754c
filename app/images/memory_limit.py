"""How much memory a process may take while it reads an image; on Linux."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

BoundMemory = Callable[[int], AbstractContextManager[None]]
"""Lets so many bytes be allocated inside; beyond, allocations fail, in Python by MemoryError."""


MEMORY_BYTES = 20 << 20
MEMORY_PER_PIXEL = 32
"""Bytes that may be allocated for any image, and more for each pixel that its header announces.

Readers take up to 20 a pixel; one that takes more makes much of something else in the file.
"""


def count_memory(pixels: int) -> int:
    """Count the bytes that reading so many pixels may take."""
    return MEMORY_BYTES + MEMORY_PER_PIXEL * pixels


def leave_unbounded(_: int) -> AbstractContextManager[None]:
    """Bound nothing: for a process that does more than read images."""
    return nullcontext()


def make_bound() -> BoundMemory:
    """Make what bounds the memory of this process, all its threads together."""
    if sys.platform != "linux":
        return leave_unbounded
    statm = Path("/proc/self/statm")
    page, limits = resource.getpagesize(), resource.getrlimit(resource.RLIMIT_DATA)
    longest = sys.maxsize if limits[0] == resource.RLIM_INFINITY else limits[0]

    @contextmanager
    def bound_memory(count: int) -> Iterator[None]:
        taken = int(statm.read_text().split()[5]) * page
        resource.setrlimit(resource.RLIMIT_DATA, (min(taken + count, longest), limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, limits)

    return bound_memory
