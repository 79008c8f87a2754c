"""The line that says how far a load test is, while it runs in a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from app.client.load.measurement import Show


@contextmanager
def show_progress(console: Console) -> Iterator[Show]:
    """Hand out what shows the progress; nothing is shown where there is no terminal."""
    columns = (TextColumn("{task.description:<20}"), BarColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=1.0)

        def show(what: str, share: float) -> None:
            progress.update(task, description=what, completed=share)

        yield show
