"""A terminal for a program: `python -m tests.support.terminal COMMAND` runs it in one of its own.

What the program writes to the terminal goes to standard error. A signal to this process is what a
user does there: SIGINT presses Ctrl-C, SIGWINCH makes the terminal NARROW. Others are handed on.
"""

import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from contextlib import suppress

import pyte

ROWS, COLUMNS = 30, 120
NARROW = 40
"""Columns after the terminal was made smaller."""

CTRL_C = b"\x03"


def run(command: list[str]) -> int:
    """Run a command in a terminal until it ends; gives its exit code."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    _resize(terminal, COLUMNS)
    signal.signal(signal.SIGINT, lambda *_: os.write(terminal, CTRL_C))
    signal.signal(signal.SIGWINCH, lambda *_: _resize(terminal, NARROW))
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, _: os.kill(child, number))
    with suppress(OSError):  # EIO: all who had it open have ended
        while data := os.read(terminal, 1 << 16):
            os.write(sys.stderr.fileno(), data)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def draw_screen(written: str, columns: int = COLUMNS) -> list[str]:
    """Draw what a terminal shows, from its first line that was ever there."""
    screen = pyte.HistoryScreen(columns, ROWS, history=100_000)
    pyte.Stream(screen).feed(written)
    past = ["".join(line[column].data for column in range(columns)) for line in screen.history.top]
    assert not screen.cursor.hidden
    return [line.rstrip() for line in (*past, *screen.display)]


def _resize(terminal: int, columns: int) -> None:
    """Set the terminal's size, of which the kernel tells the program."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
