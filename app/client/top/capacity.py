"""Tables of what answers: the model, how busy everything is, and each replica's share."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from app.client.top.cells import (
    NOTHING,
    add_more,
    make_table,
    show_bar,
    show_rate,
    show_share,
    show_text,
)
from app.client.top.change import Change, Group, add_up
from app.client.top.scrape import Page

MAX_REPLICAS = 16
MAX_MODELS = 4
MB = 1e6

WORK = ("vitrine_images_total", "vitrine_batch_images_sum")
"""What counts the images of an ingress, and those of a classifier."""

ABOUT = ("id", "revision", "engine", "precision", "device")


def describe_models(page: Page) -> list[Text]:
    """Describe each model that is served, by how many replicas."""
    models = add_up(page.find("vitrine_model_info"), *ABOUT)
    lines = []
    for model, count in sorted(models.items())[:MAX_MODELS]:
        name, revision, engine, precision, device = (show_text(part).plain for part in model)
        text = f"{name} at {revision}, {engine} {precision} on {device}"
        lines.append(Text(f"{text}, {count:.0f} {'replica' if count == 1 else 'replicas'}"))
    if failing := sum(page.find("vitrine_model_failing").values()):
        lines.append(Text(f"the model fails in {failing:.0f} replicas", style="bold red"))
    return lines


def make_capacity(change: Change) -> Table:
    """Make a row for everything that can be full."""
    table = make_table("capacity", ("",), ("now", "of"), bar="share")
    for name, value, whole, unit in _list_capacity(change):
        bar = show_bar(value, whole, "red" if whole and value >= 0.9 * whole else "cyan")
        of = f"{whole:.4g}{unit}" if whole else NOTHING
        table.add_row(name, f"{value:.3g}{unit}", of, bar)
    return table


def _list_capacity(change: Change) -> Iterator[tuple[str, float, float, str]]:
    """List what can be full: its name, what there is now, how much there may be, the unit."""

    def read(name: str) -> float:
        return sum(change.after.find(f"vitrine_{name}").values())

    limits = change.after.find("vitrine_batch_images_limit")
    batch = change.mean("vitrine_batch_images").get((), 0.0)
    busy = sum(change.rate("vitrine_batch_seconds_sum").values())
    yield "images in flight", read("images_in_flight"), read("images_capacity"), ""
    held, room = read("buffered_bytes"), read("buffered_bytes_capacity")
    yield "bytes of requests", held / MB, room / MB, " MB"
    busy_readers, readers = read("reading_processes_busy"), read("reading_processes")
    yield "reading processes", busy_readers, readers, ""
    yield "images of a batch", batch, max(limits.values(), default=0.0), ""
    yield "models busy", busy, float(len(limits)), ""


def make_replicas(change: Change) -> Table:
    """Make a row for each replica: its images a second and its share of its deployment's."""
    table = make_table("replicas", ("deployment", "replica"), ("images/s", "share"), bar="share")
    by, work = ("deployment", "replica"), dict[Group, float]()
    for name in WORK:
        work |= change.rate(name, *by)
    everybody = {who for found in change.after.samples.values() for who in add_up(found, *by)}
    rows = sorted(who for who in everybody if who[1])
    whole = {top: sum(rate for who, rate in work.items() if who[0] == top) for top, _ in rows}
    for who in rows[:MAX_REPLICAS]:
        rate = work.get(who, 0.0)
        cells = show_rate(rate), show_share(rate, whole[who[0]])
        table.add_row(*map(show_text, who), *cells, show_bar(rate, whole[who[0]]))
    add_more(table, len(rows) - MAX_REPLICAS)
    for (deployment,), count in sorted(_count_silent(change.after).items())[:MAX_REPLICAS]:
        if count:
            table.add_row(show_text(deployment, "red"), Text(f"{count:.0f} silent", style="red"))
    return table


def _count_silent(page: Page) -> dict[Group, float]:
    """Count the replicas of each deployment that did not answer."""
    return add_up(page.find("vitrine_silent_replicas"), "deployment")
