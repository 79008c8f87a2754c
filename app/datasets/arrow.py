"""pyarrow, which is an extra: whether it is there, and its errors as OSError."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from app.datasets.names import describe_failure
from app.errors import DatasetError


def require_pyarrow(what: str) -> None:
    """Raise DatasetError unless pyarrow is installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise DatasetError(f"{what} needs pyarrow: pip install 'vitrine[data]'.")


@contextmanager
def translate_arrow() -> Iterator[None]:
    """Translate pyarrow's errors to OSError."""
    from pyarrow import ArrowException  # noqa: PLC0415 - an extra

    try:
        yield
    except ArrowException as exc:
        raise OSError(describe_failure(exc)) from exc
