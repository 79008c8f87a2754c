"""What the tables of `vitrine top` are made of; all text of a service is cleaned here."""

from collections.abc import Sequence

from rich.bar import Bar
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from app.hostile_text import clean_text

BAR_WIDTH = 16
MAX_TEXT = 40
NOTHING = "-"


def make_table(title: str, texts: Sequence[str], numbers: Sequence[str], *, bar: str = "") -> Table:
    """Make a table with columns of text, which give way, of numbers, and one of bars."""
    table = Table(box=None, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for name in texts:
        table.add_column(name, header_style="dim", overflow="ellipsis")
    for name in numbers:
        table.add_column(name, header_style="dim", justify="right", no_wrap=True)
    if bar:
        table.add_column("", width=BAR_WIDTH)
    return table


def show_text(text: str, style: str = "") -> Text:
    """Show text of a service: no markup, no control characters, one short line."""
    return Text(clean_text(text, MAX_TEXT), style=style, overflow="ellipsis", no_wrap=True)


def show_rate(value: float) -> str:
    """Show a number a second."""
    return f"{value:.1f}" if value else NOTHING


def show_ms(seconds: float | None) -> str:
    """Show seconds as milliseconds, with three digits that count."""
    if seconds is None:
        return NOTHING
    ms = 1e3 * seconds
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}"  # noqa: PLR2004 - three digits


def show_share(value: float, whole: float) -> str:
    """Show a share in percent."""
    return f"{100 * value / whole:.0f}%" if whole else NOTHING


def show_bar(value: float, whole: float, color: str = "cyan") -> RenderableType:
    """Show a share as a bar."""
    return Bar(whole or 1.0, 0, min(value, whole), width=BAR_WIDTH, color=color)


def add_more(table: Table, hidden: int) -> None:
    """Say how many rows there is no room for."""
    if hidden > 0:
        table.add_row(Text(f"… and {hidden} more", style="dim"))
