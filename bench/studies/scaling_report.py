"""The tables and the plot of the scaling study. Knows its saved results alone."""

from collections.abc import Iterable, Sequence

from matplotlib.axes import Axes

from bench.kit.plots import COLOURS, Panel, draw_panels
from bench.kit.results import DOCS, Record, format_table


def print_tables(record: Record) -> None:
    """Print all tables of docs/scaling.md but the plan, which its command prints."""
    print("\nAnswered within 500 ms; p50 / p99 ms; images a group / a batch; classifier busy:\n")
    print(format_sizes(record["sizes"]))
    print(f"\nA node is lost:\n\n{format_losses(record['losses'])}")
    print(f"\nBeside what was measured:\n\n{format_known(record['drivers'])}")
    print(f"\nHAProxy:\n\n{format_fan_out(record['fan_out'])}")
    print(f"\nController:\n\n{format_control(record['control'], record['ports'])}")


def format_shape(cell: Record) -> str:
    """Return fronts x ingresses x classifiers."""
    return " x ".join(f"{count:,}" for count in cell["shape"])


def format_sizes(cells: Sequence[Record]) -> str:
    """Return a row for each size and a column for each rule."""
    form = "{in_time:.0%}; {p50_ms:.0f} / {p99_ms:.0f}; {group:.1f} / {batch:.1f}; "
    form += "{classifier_busy:.2f}"
    rows: dict[str, list[str]] = {}
    for cell in cells:
        row = rows.setdefault(f"{cell['images_per_s']:,.0f}", [format_shape(cell)])
        row.append(form.format(**cell))
    head = ["images/s", "N x M x K", *dict.fromkeys(cell["rule"] for cell in cells)]
    return format_table(head, [[rate, *row] for rate, row in rows.items()])


def format_losses(cells: Iterable[Record]) -> str:
    """Return what the loss of a node costs at each utilization."""
    head = ["planned utilization", "N x M x K", "requests", "cut off", "failed at the dead front"]
    head += ["refused", "sent again by fronts", "groups sent again", "p99"]
    rows = [
        [f"{cell['utilization']:.0%}", format_shape(cell), f"{cell['requests']:,}"]
        + [f"{cell['fates'][fate]:,}" for fate in ("cut", "failed", "refused")]
        + [cell["retried"], cell["retried_groups"], f"{cell['p99_ms']:.0f} ms"]
        for cell in cells
    ]
    return format_table(head, rows)


def format_known(cells: Iterable[Record]) -> str:
    """Return the simulation beside the measurement, for one classifier."""
    form = "{goodput:.0f}; {p50_ms:.0f} / {p99_ms:.0f}"
    rows = [
        [cell["shape"][1], *(form.format(**one) for one in (cell["measured"], cell, cell["was"]))]
        for cell in cells
    ]
    return format_table(["ingresses", "measured", "simulated", "simulated as it was"], rows)


def format_fan_out(cells: Iterable[Record]) -> str:
    """Return what HAProxy takes for each number of servers."""
    head = ["servers", "idle, cores", "RSS, MB", "reload, ms", "CPU of the new process, ms"]
    keys = ("servers", "idle_cores", "rss_mb", "reload_ms", "start_cpu_ms")
    return format_table(head, ([cell[key] for key in keys] for cell in cells))


def format_control(cells: Iterable[Record], ports: Record) -> str:
    """Return the controller's messages at each size, and the ports' changes."""
    head = ["N x M x K", "long polls, /s", "health checks, /s", "reports, /s", "a new ingress"]
    head += ["a new classifier", "health checks of an ingress, /s"]
    rows = [
        [format_shape(cell), *(f"{value:,}" for name, value in cell.items() if name != "shape")]
        for cell in cells
    ]
    changes = "{ports} ports, {quarantine_s:.0f} s, {live} live: {per_h:,} replacements an hour"
    return f"{format_table(head, rows)}\n\n{changes.format(**ports)}"


def draw_plot(record: Record) -> None:
    """Draw docs/scaling.png: latency, and what is answered in time, by size."""
    panels = [
        make_lines("p99 of the answers, ms, by images/s", record["sizes"], "p99_ms", 1),
        make_lines("Answered within 500 ms, %, by images/s", record["sizes"], "in_time", 100),
    ]
    rate = record["assumptions"]["gpu_images_per_s"]
    title = f"Simulated clusters, as planned for each rate, with GPUs of {rate:,.0f} images/s"
    draw_panels(title, panels, 2, DOCS / "scaling.png", (5.5, 3.2))


def make_lines(title: str, cells: Sequence[Record], key: str, factor: float) -> Panel:
    """Return a panel with a line for each rule."""

    def draw(axes: Axes) -> None:
        rules = dict.fromkeys(cell["rule"] for cell in cells)
        for rule, colour in zip(rules, COLOURS, strict=False):
            points = [
                (cell["images_per_s"], factor * cell[key]) for cell in cells if cell["rule"] == rule
            ]
            axes.plot(*zip(*points, strict=True), "o-", markersize=4, color=colour, label=rule)
        axes.set_title(title, size=9)
        axes.set_ylim(bottom=0)
        axes.set_xscale("log")

    return draw
