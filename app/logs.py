"""Log lines: readable in a terminal, one JSON object a line otherwise.

It knows nothing of requests but their id, which travels in a context variable.
"""

import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

LogFormat = Literal["text", "json"]

request_id: ContextVar[str] = ContextVar("request_id", default="")

_LEVELS = {"DEBUG": "DEBUG", "INFO": "INFO ", "WARNING": "WARN ", "ERROR": "ERROR"}


class TextFormatter(logging.Formatter):
    """`08:15:02 INFO  POST /predict 200 5.3 ms 0b7c2f2e`."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one line, and a traceback below it where there is one."""
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = _LEVELS.get(record.levelname, record.levelname)
        line = f"{clock} {level} {record.getMessage()}"
        if current := request_id.get():
            line = f"{line} {current}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object: time (UTC), level, logger, message, request_id, and the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one line."""
        values: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            values["request_id"] = current
        values |= getattr(record, "fields", {})
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values, ensure_ascii=False)


class PipeHandler(logging.Handler):
    """Writes lines to a named pipe that `vitrine serve` reads, and never waits for the reader.

    A replica's own standard error ends in a file of Ray's; the pipe brings its lines to the
    terminal. When the pipe is full or its reader is gone, lines are dropped and counted.
    """

    def __init__(self, pipe: Path) -> None:
        super().__init__()
        self._descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            os.write(self._descriptor, (self.format(record) + "\n").encode())
        except OSError:
            self.dropped += 1

    def close(self) -> None:
        """Close this end of the pipe."""
        os.close(self._descriptor)
        super().close()


@contextlib.contextmanager
def forward_lines(pipe: Path) -> Iterator[Path]:
    """Make the named pipe that replicas log to, and copy its lines to standard error."""
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)  # a writer of our own: the reader never meets an end

    def copy() -> None:
        while data := os.read(descriptor, 65536):
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()

    threading.Thread(target=copy, daemon=True, name="log").start()
    yield pipe


def configure_logging(style: LogFormat, level: str, pipe: Path | None = None) -> None:
    """Send the house's log lines to `pipe`, or to standard error."""
    handler = PipeHandler(pipe) if pipe else logging.StreamHandler()
    handler.setFormatter(TextFormatter() if style == "text" else JsonFormatter())
    logger = logging.getLogger("vitrine")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def choose_format(wanted: Literal["auto", "text", "json"], *, is_terminal: bool) -> LogFormat:
    """Choose text for a terminal and JSON for anything else, unless one is asked for."""
    if wanted == "auto":
        return "text" if is_terminal else "json"
    return wanted
