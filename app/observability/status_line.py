"""Log lines that scroll above one line of status, in a terminal. It knows nothing of what it shows.

The cursor stays visible, at the start of the status line: what another writes to the terminal goes
over that line, and nothing has to be put right when this process is killed.
"""

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

_ERASE = "\r\x1b[K"
_DIM, _NORMAL = "\x1b[2m", "\x1b[m"

COLUMNS = 80
"""Of a terminal that does not say how many it has."""


class StatusLine:
    """A stream for log lines, with a line of status below them while one is shown.

    Args:
        stream: where both go.
        is_live: whether that is a terminal which can show a status.
        has_colors: whether the status is dimmed.
    """

    def __init__(self, stream: TextIO, *, is_live: bool = False, has_colors: bool = True) -> None:
        self.is_live = is_live
        self._stream = stream
        self._style = (_DIM, _NORMAL) if has_colors else ("", "")
        self._status = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Write whole lines above the status."""
        with self._lock:
            erase = _ERASE if self._status else ""
            self._stream.write(f"{erase}{text}{self._draw()}")
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Do nothing: `write` does it."""

    def show(self, status: str) -> None:
        """Show this status from now on; none if it is empty, or once it is closed."""
        with self._lock:
            if self.is_live:
                self._status = status
                self._stream.write(f"{_ERASE}{self._draw()}")
                self._stream.flush()

    def close(self) -> None:
        """Erase the status, for good."""
        with self._lock, suppress(OSError):  # the terminal is gone
            if self.is_live:
                self.is_live = False
                self._status = ""
                self._stream.write(_ERASE)
                self._stream.flush()

    def _draw(self) -> str:
        """Draw the status as far as it fits, so that it is one line of the screen."""
        if not self._status:
            return ""
        before, after = self._style
        return f"{before}{self._status[: self._count_columns() - 1]}{after}\r"

    def _count_columns(self) -> int:
        """Count the terminal's columns; it may have been resized."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or COLUMNS
        except OSError:
            return COLUMNS


def can_show_status(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Tell whether a stream is a terminal in which a line can be erased."""
    return stream.isatty() and environment.get("TERM", "dumb") != "dumb"
