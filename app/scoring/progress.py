"""The line of progress: live on a terminal, else a plain one every ten seconds."""

import time
from collections.abc import Callable
from typing import NamedTuple, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

PLAIN_S = 10.0
"""Seconds between two lines where there is no terminal."""


class Progress(NamedTuple):
    """Images that were scored, and how many of them have a problem."""

    images: int
    problems: int


class ProgressLine:
    """Shows how far a job is.

    Args:
        console: where to show it.
        images: of the whole job.
        before: of them, those that earlier runs have scored, and their problems.
        clock: gives seconds.
    """

    def __init__(
        self,
        console: Console,
        images: int,
        before: Progress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._images, self._before, self._clock = console, images, before, clock
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False
        )
        self._started = self._shown = clock()
        self._first = Progress(0, 0)

    def __enter__(self) -> Self:
        """Begin to show it."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Show it no more."""
        self._live.stop()

    def show(self, now: Progress) -> None:
        """Show what this run has scored up to now."""
        line = self.describe(now)
        if self._console.is_terminal:
            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
        elif self._clock() - self._shown >= PLAIN_S:
            self._shown = self._clock()
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def describe(self, now: Progress) -> str:
        """Describe it in one line."""
        done = self._before.images + now.images
        problems = self._before.problems + now.problems
        rate = self.measure(now)
        left = f"{format_time((self._images - done) / rate)} left" if rate else "starting"
        shown = f"{problems:,} problem{'' if problems == 1 else 's'}"
        share = done / self._images
        return f"{done:,} of {self._images:,}  {share:.0%}  {rate:,.0f} files/s  {left}  {shown}"

    def measure(self, now: Progress) -> float:
        """Measure the images a second, since the first of them; 0 before."""
        if not self._first.images:
            self._first, self._started = now, self._clock()
        seconds = self._clock() - self._started
        return (now.images - self._first.images) / seconds if seconds else 0.0


def format_time(seconds: float) -> str:
    """Format a time in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
