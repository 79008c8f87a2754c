"""Logging: readable lines for a terminal, else one JSON object a line, with the request id."""

import contextlib
import io
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import Context, ContextVar
from datetime import UTC, datetime
from pathlib import Path
from select import PIPE_BUF
from typing import Literal, TextIO
from urllib.parse import quote

from app.observability.status_line import StatusLine

LogFormat = Literal["text", "json"]

request_id: ContextVar[str] = ContextVar("request_id", default="")

MAX_LOGGED_ID = 128
"""Characters of a request's id that are logged; a client may choose it."""

FLUSH_INTERVAL_S = 0.1
"""Seconds for which a replica collects log lines before it writes them together."""

_LEVELS = {"DEBUG": "DEBUG", "INFO": "INFO ", "WARNING": "WARN ", "ERROR": "ERROR"}


def make_context() -> Context:
    """Make a context that holds only the request id, for the log."""
    context = Context()
    context.run(request_id.set, request_id.get())
    return context


class TextFormatter(logging.Formatter):
    """`08:15:02 INFO  POST /predict 200 5.3 ms 0b7c2f2e`."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one line, and a traceback below it, if any."""
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = _LEVELS.get(record.levelname, record.levelname)
        line = f"{clock} {level} {record.getMessage()}"
        if current := request_id.get():
            line = f"{line} {quote(current[:MAX_LOGGED_ID])}"
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
            values["request_id"] = current[:MAX_LOGGED_ID]
        values |= getattr(record, "fields", {})
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values, ensure_ascii=True)


class PipeHandler(logging.Handler):
    """Writes lines to the named pipe of `vitrine serve`, without ever waiting for its reader.

    Ray writes a replica's standard error to a file; the pipe brings its lines to the terminal. They
    are written together every FLUSH_INTERVAL_S seconds, because one write per request would wake
    two processes; a warning is written at once. If the pipe is full or its reader has ended, lines
    are dropped and counted. It can be closed twice, as `logging.config.dictConfig` does with every
    handler.
    """

    def __init__(self, pipe: Path) -> None:
        super().__init__()
        self._pipe = io.FileIO(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "w")
        self._lines: list[bytes] = []
        self._has_lines = threading.Event()
        self.dropped = 0
        threading.Thread(target=self._flush_forever, daemon=True, name="log").start()

    def emit(self, record: logging.LogRecord) -> None:
        """Buffer one line for the next write."""
        self._lines.append((self.format(record) + "\n").encode())
        if record.levelno >= logging.WARNING:
            self.flush()
        else:
            self._has_lines.set()

    def flush(self) -> None:
        """Write the buffered lines, in pieces that the pipe takes whole."""
        with self.lock or contextlib.nullcontext():
            lines, self._lines = self._lines, []
            for piece in _join_lines(lines):
                written = None  # as of a pipe that is full
                with contextlib.suppress(OSError, ValueError):  # its reader has ended; it is closed
                    written = self._pipe.write(piece)
                if written is None:
                    self.dropped += piece.count(b"\n")

    def close(self) -> None:
        """Write the buffered lines and close the pipe."""
        self.flush()
        self._pipe.close()
        super().close()

    def _flush_forever(self) -> None:
        """Write every FLUSH_INTERVAL_S seconds while there are lines."""
        while self._has_lines.wait():
            self._has_lines.clear()
            time.sleep(FLUSH_INTERVAL_S)
            self.flush()


def _join_lines(lines: list[bytes]) -> Iterator[bytes]:
    """Join lines to pieces of at most PIPE_BUF bytes, which are written atomically."""
    piece = b""
    for line in lines:
        if piece and len(piece) + len(line) > PIPE_BUF:
            yield piece
            piece = b""
        piece += line
    if piece:
        yield piece


@contextlib.contextmanager
def forward_lines(pipe: Path, output: TextIO | StatusLine) -> Iterator[Path]:
    """Make the named pipe that replicas log to, and copy its lines to where this process logs."""
    os.mkfifo(pipe)
    descriptor = os.open(pipe, os.O_RDWR)  # with its own writer, the reader never meets an end

    def copy() -> None:
        rest = b""
        while data := os.read(descriptor, 65536):
            lines, end, rest = (rest + data).rpartition(b"\n")
            output.write((lines + end).decode("utf-8", "replace"))
            output.flush()

    threading.Thread(target=copy, daemon=True, name="log").start()
    yield pipe


def configure_logging(
    style: LogFormat, level: str, pipe: Path | None = None, output: StatusLine | None = None
) -> None:
    """Send vitrine's log lines to `pipe`, or to `output`, or to standard error.

    That is the process's own: in a replica Serve puts its logger, which keeps a thousand lines in
    memory, in the place of `sys.stderr`.
    """
    handler = PipeHandler(pipe) if pipe else logging.StreamHandler(output or sys.__stderr__)
    handler.setFormatter(TextFormatter() if style == "text" else JsonFormatter())
    logger = logging.getLogger("vitrine")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def choose_format(wanted: Literal["auto", "text", "json"], *, is_terminal: bool) -> LogFormat:
    """Choose text for a terminal, else JSON, unless the setting names one."""
    if wanted == "auto":
        return "text" if is_terminal else "json"
    return wanted
