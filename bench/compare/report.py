"""The tables and the plots of a comparison. Knows its saved results alone."""

from pathlib import Path

from bench.compare.summary import P99, RATE
from bench.kit.plots import Bar, draw_panels, make_bars
from bench.kit.results import DOCS, RESULTS, Record, format_table

SIDE = "{requests_per_s:.1f} [{low:.1f}-{high:.1f}] ({p50_ms:.1f} / {p99_ms:.1f}) {of_limit:.0%}"


def format_cells(cells: list[Record]) -> str:
    """Return the closed loop of one model: a row for each cell, with the ratios."""
    names = list(cells[0]["servers"])
    columns = [f"{name}: requests/s [spread] (p50 / p99 ms) of limit" for name in names]
    rows = []
    for cell in cells:
        row = [cell["model"], cell["image"], cell["concurrency"], f"{cell['limit_per_s']:.0f}"]
        for side in cell["servers"].values():
            figures = SIDE.format(**side, low=side["spread"][0], high=side["spread"][1])
            row.append(figures + (f", {side['errors']} errors" if side["errors"] else ""))
        ratios = ((found["ratio"], *found["spread"]) for found in cell["ratios"].values())
        rows.append([*row, *("{:.2f} ({:.2f} to {:.2f})".format(*ratio) for ratio in ratios)])
    head = ["model", "image", "connections", "limit", *columns, *cells[0]["ratios"]]
    return format_table(head, rows)


def format_costs(cells: list[Record]) -> str:
    """Return CPU ms a request, beyond decode and forward pass, and ms that a lone one takes more.

    The latter two are left out for a Vitrine whose settings change what has to be computed.
    """
    names, rows = list(cells[0]["servers"]), []
    for cell in cells:
        row = [cell["model"], cell["image"], cell["concurrency"]]
        for side in cell["servers"].values():
            shown = [f"{side['cpu_ms']:.1f}"]
            shown += [f"{side[key]:.1f}" for key in ("cpu_beyond_ms", "added_ms") if key in side]
            row.append(" / ".join(shown))
        rows.append(row)
    columns = [f"{name}: CPU ms / beyond / added ms" for name in names]
    return format_table(["model", "image", "connections", *columns], rows)


def format_open(rows: list[Record]) -> str:
    """Return the open loop: a row for each image and share of the capacity."""
    names = list(rows[0]["servers"])
    columns = [f"{name}: p50 / p99 ms (p99 spread), client late by" for name in names]
    shown = "{p50_ms:.0f} / {p99_ms:.0f} ({spread[0]:.0f} to {spread[1]:.0f}), {late_p99_ms:.1f}"
    return format_table(
        ["image", "share", "offered/s", *columns],
        [
            [row["image"], f"{row['share']:.0%}", f"{row['offered_per_s']:.0f}"]
            + [shown.format(**row["servers"][name]) for name in names]
            for row in rows
        ],
    )


def format_servers(record: Record) -> str:
    """Return the starts, the ends and the memory of each server with each model."""
    rows = []
    for model, servers in record["servers"].items():
        for name, facts in servers.items():
            keys = ("first_answer_s", "stop_s")
            times = [", ".join(f"{one[key]:.1f}" for one in facts["starts"]) for key in keys]
            rows.append([model, name, *times, f"{facts['total_pss_mb']:.0f}"])
    return format_table(["model", "server", "first 200 after s", "ended in s", "memory MB"], rows)


def print_record(record: Record) -> None:
    """Print all tables."""
    for model, limits in record["limits"].items():
        print(f"\n{model}, without a server: {limits}")
    print(f"\n{format_servers(record)}")
    for model in record["limits"]:
        cells = [cell for cell in record["cells"] if cell["model"] == model]
        print(f"\n{format_cells(cells)}\n\n{format_costs(cells)}")
    if record["open"]:
        print(f"\n{format_open(record['open'])}")


def draw_closed(cells: list[Record], path: Path) -> None:
    """Draw requests/s by server and connections, a panel for each model and image."""
    keys = dict.fromkeys((cell["model"], cell["image"], cell["limit_per_s"]) for cell in cells)
    names, panels = dict.fromkeys(name for cell in cells for name in cell["servers"]), []
    for model, image, limit in keys:
        mine = [cell for cell in cells if (cell["model"], cell["image"]) == (model, image)]
        bars = {
            name: [(cell["servers"][name][RATE], cell["servers"][name]["spread"]) for cell in mine]
            for name in mine[0]["servers"]
        }
        ticks = [str(cell["concurrency"]) for cell in mine]
        panels.append(make_bars(f"{model}, {image}, limit {limit:.0f}", ticks, bars, names))
    columns = len({image for _, image, _ in keys})
    title = "Requests/s by connections, closed loop"
    draw_panels(title, panels, columns, path)


def draw_open(rows: list[Record], path: Path) -> None:
    """Draw p50 and p99 by share of the capacity, a panel for each image."""
    panels = []
    for image in dict.fromkeys(row["image"] for row in rows):
        mine = [row for row in rows if row["image"] == image]
        bars: dict[str, list[Bar]] = {server: [] for server in mine[0]["servers"]}
        for row in mine:
            for server, side in row["servers"].items():
                p50 = side["p50_ms"]
                bars[server] += [(p50, [p50]), (side[P99], side["spread"])]
        ticks = [f"{rank}\n{row['share']:.0%}" for row in mine for rank in ("p50", "p99")]
        panels.append(make_bars(f"digits, {image}", ticks, bars))
    title = "Milliseconds from when a request was due, open loop, by share of capacity"
    draw_panels(title, panels, len(panels), path)


def draw_record(record: Record, run: str) -> None:
    """Draw both loops; the whole matrix into docs/, any other beside its results."""
    start = DOCS / "bench" if run == "matrix" else RESULTS / run
    draw_closed(record["cells"], start.with_name(f"{start.name}-closed.png"))
    if record["open"]:
        draw_open(record["open"], start.with_name(f"{start.name}-open.png"))
