"""Errors of an asyncio.TaskGroup, which come as a group although one of them has ended it."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unwrap_groups() -> Iterator[None]:
    """Raise the first error of a group as itself."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group
