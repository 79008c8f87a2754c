"""The line below the log, as a terminal draws it."""

import io
import os
import pty

import pytest

from app.observability.status_line import StatusLine, can_show_status
from tests.support.terminal import draw_screen

STATUS = "842 requests/s"


def draw(stream: io.StringIO) -> list[str]:
    """Draw the lines of the screen that are not empty."""
    return [line for line in draw_screen(stream.getvalue().replace("\n", "\r\n")) if line]


def test_the_status_stays_below_the_log() -> None:
    """Each log line is whole, and the status is there once, until it is closed."""
    stream = io.StringIO()
    line = StatusLine(stream, is_live=True)
    line.write("one\n")
    line.show(f"{STATUS}, and more that the next one has not")
    line.write("two\nthree\n")
    line.show(STATUS)
    assert draw(stream) == ["one", "two", "three", STATUS]
    line.close()
    line.show("too late")
    line.write("four\n")
    assert draw(stream) == ["one", "two", "three", "four"]


def test_what_another_writes_goes_over_the_status() -> None:
    """The cursor waits at the start of the line, and the next log line erases what is left."""
    stream = io.StringIO()
    line = StatusLine(stream, is_live=True)
    line.show(STATUS)
    stream.write("Traceback\n")
    line.write("one\n")
    assert draw(stream)[-2:] == ["one", STATUS]
    assert draw(stream)[0].startswith("Traceback")


def test_without_a_terminal_nothing_but_the_log_is_written() -> None:
    """A status is not shown there."""
    stream = io.StringIO()
    line = StatusLine(stream)
    line.show(STATUS)
    line.write("one\n")
    line.close()
    assert stream.getvalue() == "one\n"


@pytest.mark.parametrize("has_colors", [True, False])
def test_the_status_is_dimmed_unless_colors_are_off(*, has_colors: bool) -> None:
    """NO_COLOR has no escape sequence but the one that erases."""
    stream = io.StringIO()
    StatusLine(stream, is_live=True, has_colors=has_colors).show(STATUS)
    assert ("\x1b[2m" in stream.getvalue()) == has_colors


def test_a_status_is_cut_to_the_width_of_the_terminal() -> None:
    """Else it would be two lines, of which one is erased."""
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        for columns in (40, 10):
            os.system(f"stty columns {columns} < {os.ttyname(terminal)}")  # noqa: S605 - two numbers
            StatusLine(stream, is_live=True, has_colors=False).show("x" * 100)
            assert os.read(controller, 1000).count(b"x") == columns - 1
    os.close(controller)


@pytest.mark.parametrize(("term", "can"), [("xterm", True), ("dumb", False), (None, False)])
def test_a_terminal_must_be_able_to_erase_a_line(term: str | None, *, can: bool) -> None:
    """TERM says so; a file never can."""
    environment = {} if term is None else {"TERM": term}
    controller, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as stream:
        assert can_show_status(stream, environment) == can
    os.close(controller)
    assert not can_show_status(io.StringIO(), environment)
