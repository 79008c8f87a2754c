"""The line of progress."""

import io

import pytest
from rich.console import Console

from app.scoring.progress import Progress, ProgressLine, format_time


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def test_the_rate_is_that_of_this_run_since_its_first_image() -> None:
    """Neither the start of Ray nor what an earlier run has done counts."""
    clock = Clock()
    line = ProgressLine(Console(file=io.StringIO()), 1000, Progress(300, 2), clock)
    clock.now = 20.0
    assert line.describe(Progress(0, 0)) == "300 of 1,000  30%  0 files/s  starting  2 problems"
    assert line.describe(Progress(100, 0)).endswith("starting  2 problems")
    clock.now = 24.0
    shown = line.describe(Progress(300, 1))
    assert shown == "600 of 1,000  60%  50 files/s  8 s left  3 problems"


def test_without_a_terminal_a_plain_line_comes_every_ten_seconds() -> None:
    """A log file gets neither more lines nor codes of colour."""
    clock, written = Clock(), io.StringIO()
    with ProgressLine(Console(file=written), 100, Progress(0, 0), clock) as line:
        for clock.now in (1.0, 9.0, 11.0, 12.0, 22.0):
            line.show(Progress(int(clock.now), 0))
    lines = written.getvalue().splitlines()
    assert [one.split(" of ")[0] for one in lines] == ["11", "22"]
    assert "\x1b" not in written.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (7500, "2 h 05 min")],
)
def test_a_time_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    """Days of a long job are hours, and its seconds are left out."""
    assert format_time(seconds) == text
