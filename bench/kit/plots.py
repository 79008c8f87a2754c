"""The figures: what was measured, drawn. Knows the document alone."""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.compare.summary import RATE, Document
from bench.kit.results import DOCS, RESULTS

COLOURS = ("#1b6ca8", "#e08e2b", "#7a7a7a", "#4f9d69", "#a14d72", "#8a6d3b")
GROUP = 0.8
"""How much of a group's place its bars take."""
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
}


def draw_bars(axes: Axes, rows: list[Document], measure: str, spread: str) -> None:
    """Draw one group for each row, one bar for each server, its value above and its spread."""
    names = list(rows[0]["servers"])
    width = GROUP / len(names)
    for place, name in enumerate(names):
        sides = [row["servers"][name] for row in rows]
        heights = [side[measure] for side in sides]
        centres = [group + (place - (len(names) - 1) / 2) * width for group in range(len(rows))]
        reach = [
            [max(0.0, side[measure] - side[spread][0]) for side in sides],
            [max(0.0, side[spread][1] - side[measure]) for side in sides],
        ]
        colour = COLOURS[place % len(COLOURS)]
        axes.bar(centres, heights, 0.92 * width, color=colour, label=name)
        axes.errorbar(centres, heights, reach, fmt="none", ecolor="#333333", elinewidth=0.8)
        for centre, height, up in zip(centres, heights, reach[1], strict=True):
            text = f"{height:.0f}" if height >= 10 else f"{height:.1f}"  # noqa: PLR2004 - digits that matter
            offset = (0, 2)
            place_at = (centre, height + up)
            axes.annotate(text, place_at, offset, textcoords="offset points", ha="center", size=7)
    axes.margins(y=0.15)


def draw_cells(axes: Axes, cells: list[Document]) -> None:
    """Draw the requests/s of one model and image, and the limit."""
    draw_bars(axes, cells, RATE, "spread")
    axes.set_xticks(range(len(cells)), [str(cell["concurrency"]) for cell in cells])
    axes.set_title(f"{cells[0]['model']}, {cells[0]['image']}", size=9)
    limit = cells[0]["limit_per_s"]
    top = axes.get_ylim()[1]
    if limit < 2 * top:
        axes.axhline(limit, color="#333333", linewidth=0.8, linestyle="--", label="limit")
        axes.set_ylim(0, max(top, 1.05 * limit))
    else:
        text = f"limit {limit:.0f}"
        axes.annotate(text, (0.02, 0.95), xycoords="axes fraction", size=7, color="#555555")


def save_figure(figure: Figure, kind: str, run: str) -> Path:
    """Write the figure of the whole matrix into docs/, any other beside its results."""
    path = DOCS / f"bench-{kind}.png" if run == "matrix" else RESULTS / f"{run}-{kind}.png"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    return path


def add_legend(figure: Figure) -> None:
    """Put one legend of all panels on top."""
    found: dict[str, object] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(found.values(), found.keys(), loc="outside upper right", ncols=len(found))


def draw_panels(
    panels: list[list[Document]], columns: int, draw: Callable[[Axes, list[Document]], None]
) -> Figure:
    """Draw one panel for each list of rows."""
    rows = -(-len(panels) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(4.2 * columns, 7), 2.5 * rows + 0.6), layout="constrained")
        for place, panel in enumerate(panels):
            draw(figure.add_subplot(rows, columns, place + 1), panel)
        add_legend(figure)
    return figure


def draw_closed(document: Document, run: str) -> Path:
    """Draw requests/s by server and connections, a panel for each model and image."""
    cells = document["cells"]
    keys = dict.fromkeys((cell["model"], cell["image"]) for cell in cells)
    panels = [[c for c in cells if (c["model"], c["image"]) == key] for key in keys]
    figure = draw_panels(panels, len({image for _, image in keys}), draw_cells)
    figure.suptitle("Requests/s by connections, closed loop", x=0.01, ha="left", size=11)
    return save_figure(figure, "closed", run)


def draw_waits(axes: Axes, rows: list[Document]) -> None:
    """Draw the p50 and the p99 of one image, a group for each share of the capacity."""
    groups = [
        {"servers": {name: pick_wait(side, rank) for name, side in row["servers"].items()}}
        for row in rows
        for rank in ("p50", "p99")
    ]
    draw_bars(axes, groups, "ms", "spread")
    ticks = [f"{rank}\n{row['share']:.0%}" for row in rows for rank in ("p50", "p99")]
    axes.set_xticks(range(len(groups)), ticks)
    rates = " and ".join(f"{row['offered_per_s']:.0f}" for row in rows)
    axes.set_title(f"digits, {rows[0]['image']}, {rates} requests/s", size=9)


def pick_wait(side: Document, rank: str) -> Document:
    """Return one bar; the p50 has no spread of its own in the document."""
    value = side[f"{rank}_ms"]
    return {"ms": value, "spread": side["p99_spread"] if rank == "p99" else [value, value]}


def draw_open(document: Document, run: str) -> Path | None:
    """Draw the latencies of the open loop, a panel for each image; None where it was not run."""
    rows = document["open"]
    if not rows:
        return None
    images = dict.fromkeys(row["image"] for row in rows)
    panels = [[row for row in rows if row["image"] == image] for image in images]
    figure = draw_panels(panels, len(panels), draw_waits)
    title = "Milliseconds from when a request was due, open loop, by share of capacity"
    figure.suptitle(title, x=0.01, ha="left", size=11)
    return save_figure(figure, "open", run)
