"""What is logged, as values that can be asserted."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from app.observability.logs import JsonFormatter


class Lines(logging.Handler):
    """Keeps log lines, formatted as JSON when they are written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.values: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.values.append(json.loads(self.format(record)))


@contextmanager
def collect_lines() -> Iterator[list[dict[str, object]]]:
    """Collect what is logged, whatever else is done with it."""
    logger = logging.getLogger("vitrine")
    handler, level = Lines(), logger.level
    logger.addHandler(handler)
    logger.setLevel("INFO")
    try:
        yield handler.values
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
