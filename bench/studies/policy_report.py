"""The tables and the plot of the policy study. Knows its saved results alone."""

from bench.kit.plots import draw_panels, make_bars
from bench.kit.results import DOCS, Record, format_table

DRAWN = ("groups, W =", "plain, wait")
"""How the names of the policies begin that are drawn: the group rule, and `@serve.batch`."""

CELL = "{goodput:.0f}; {p50_ms:.0f} / {p99_ms:.0f}; {batch:.1f}"
CPU = "{driver_cpu:.2f} + {classifier_cpu:.2f}"
SCALING = (
    "{replicas}|{offered:.0f}|{goodput:.0f}|{over:.2f}|{p50_ms:.0f} / {p99_ms:.0f}|{batch:.1f}"
)


def print_tables(record: Record) -> None:
    """Print what each policy gave, the CPU that it took, and the scaling."""
    cells = record["policies"]
    print(f"Goodput/s; p50 / p99 ms; images a batch:\n\n{format_rates(cells, CELL)}")
    print(f"\nCores busy, driver + classifier:\n\n{format_rates(cells, CPU)}")
    print(f"\nMore replicas:\n\n{format_scaling(record['scaling'])}")


def format_rates(cells: list[Record], form: str) -> str:
    """Return a table with a row for each policy and a column for each offered rate."""
    rates = list(dict.fromkeys(cell["offered"] for cell in cells))
    rows: dict[str, list[str]] = {}
    for cell in cells:
        rows.setdefault(cell["name"], []).append(form.format(**cell))
    head = ["policy", *(f"{rate:.0f} offered/s" for rate in rates)]
    return format_table(head, [[name, *row] for name, row in rows.items()])


def format_scaling(cells: list[Record]) -> str:
    """Return a row for each number of replicas, with its goodput divided by that of one."""
    head = ["replicas", "offered/s", "goodput/s", "beside one", "p50 / p99 ms", "images a batch"]
    one = max(1, cells[0]["goodput"])
    rows = [SCALING.format(**cell, over=cell["goodput"] / one).split("|") for cell in cells]
    return format_table(head, rows)


def draw_plot(record: Record) -> None:
    """Draw latencies, goodput and scaling into docs/policy.png."""
    cells, gpu = record["policies"], record["gpus"]["fast"]
    rates = [f"{rate:.0f}/s" for rate in dict.fromkeys(cell["offered"] for cell in cells)]
    names = [name for name in dict.fromkeys(c["name"] for c in cells) if name.startswith(DRAWN)]
    measures = {"p50_ms": "Median latency, ms", "p99_ms": "p99, ms", "goodput": "Goodput/s"}
    panels = []
    for measure, title in measures.items():
        bars = {
            name: [
                (cell[measure], [one[measure] for one in cell["rounds"]])
                for cell in cells
                if cell["name"] == name
            ]
            for name in names
        }
        panels.append(make_bars(title, rates, bars, is_log=measure != "goodput"))
    scaling = record["scaling"]
    bars = {"goodput": [(one["goodput"], [r["goodput"] for r in one["rounds"]]) for one in scaling]}
    replicas = [f"{one['replicas']} replicas" for one in scaling]
    panels.append(make_bars("Goodput/s of more replicas, slow GPU", replicas, bars))
    title = (
        f"Batch policy on a simulated GPU: {gpu['fixed_ms']:g} ms + {gpu['image_ms']:g} ms an "
        f"image, at most 32 images a batch ({gpu['capacity']:.0f}/s)"
    )
    draw_panels(title, panels, 2, DOCS / "policy.png", (5.5, 3.8))
