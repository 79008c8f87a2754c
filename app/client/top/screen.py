"""The screen of `vitrine top`: once, or again and again until Ctrl-C."""

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.client.connection import Address
from app.client.endpoint import Endpoint, locate
from app.client.top.capacity import describe_models, make_capacity, make_replicas
from app.client.top.change import Change
from app.client.top.scrape import scrape
from app.client.top.traffic import make_labels, make_routes, make_stages
from app.errors import ServiceError
from app.hostile_text import clean_text

WIDE = 130
"""Characters of a terminal on which two tables stand side by side."""


def render(change: Change, url: str, width: int, note: str = "") -> RenderableType:
    """Render all tables; a note tells that they are not of this moment."""
    parts: list[RenderableType] = [_make_title(change, url), *describe_models(change.after)]
    if note:
        parts.append(Text(note, style="bold red"))
    left = [make_routes(change), make_stages(change), make_capacity(change)]
    right = [make_replicas(change), make_labels(change)]
    if width >= WIDE:
        grid = Table.grid(padding=(0, 4))
        grid.add_row(_stack(left), _stack(right))
        return Group(*parts, Text(), grid)
    return Group(*parts, Text(), _stack([*left, *right]))


def _stack(tables: list[Table]) -> Group:
    """Put tables below each other."""
    lines = [part for table in tables for part in (table, Text())]
    return Group(*lines[:-1])


def _make_title(change: Change, url: str) -> Text:
    """Say of what, and of how long a time, the tables are."""
    title = Text(clean_text(url), style="bold")
    return title.append(f"  in the last {change.seconds:.1f} s", style="not bold dim")


def print_once(endpoint: Endpoint, interval_s: float, console: Console) -> None:
    """Print what happens in one interval.

    Raises:
        ServiceError: the service cannot be asked.
    """
    address = locate(endpoint)
    before = scrape(endpoint, address)
    time.sleep(interval_s)
    change = Change(before, scrape(endpoint, address))
    console.print(render(change, endpoint.url, console.width))


def watch(endpoint: Endpoint, interval_s: float, console: Console) -> None:
    """Show what happens until Ctrl-C; a service that goes away is asked again.

    Raises:
        ServiceError: the service cannot be asked even once.
    """
    address = locate(endpoint)
    first = scrape(endpoint, address)
    change, note = Change(first, first), ""
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(render(change, endpoint.url, console.width, note), refresh=True)
                time.sleep(interval_s)
                change, note = _look_again(endpoint, address, change)
    except KeyboardInterrupt:
        console.print(render(change, endpoint.url, console.width, note))


def _look_again(endpoint: Endpoint, address: Address, change: Change) -> tuple[Change, str]:
    """Return the change until now; where there is no answer, the last one, and since when."""
    try:
        return Change(change.after, scrape(endpoint, address)), ""
    except ServiceError as exc:
        gone_s = time.monotonic() - change.after.seconds
        return change, f"no metrics for {gone_s:.0f} s, trying again: {exc}"
