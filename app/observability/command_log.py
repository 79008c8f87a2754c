"""The log of a command that serves nothing: lines among its other output on standard error."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from app.observability.logs import JsonFormatter, TextFormatter

FORMATTERS = {"auto": logging.Formatter, "text": TextFormatter, "json": JsonFormatter}
"""`auto` is the message alone, for whoever waits for the command."""


class StderrHandler(logging.Handler):
    """Writes to what standard error is at the moment: a bar of progress takes its place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        sys.stderr.write(self.format(record) + "\n")


@contextmanager
def log_to_stderr(style: Literal["auto", "text", "json"], level: str) -> Iterator[None]:
    """Send vitrine's log lines to standard error for a while."""
    logger, handler = logging.getLogger("vitrine"), StderrHandler()
    before = logger.handlers, logger.level, logger.propagate
    handler.setFormatter(FORMATTERS[style]())
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(level.upper())
    try:
        yield
    finally:
        logger.handlers, level_before, logger.propagate = before
        logger.setLevel(level_before)
