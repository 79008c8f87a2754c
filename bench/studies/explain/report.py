"""The tables and the plot of the study of explanations. Knows its saved results alone."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from bench.kit.plots import COLOURS, Panel, draw_panels
from bench.kit.results import DOCS, Record, format_table

COLUMNS = {
    "saco": "SaCo",
    "difference": "insertion - deletion",
    "difference blur": "blur",
    "difference mean": "mean",
    "road": "ROAD",
}
PLOTTED = {"saco": "SaCo, K = 10", "difference": "insertion - deletion"}


def print_tables(record: Record) -> None:
    """Print what was found, as Markdown."""
    for name, found in record.get("sets", {}).items():
        print(f"\n{name}: {found['pictures']} pictures of {found['sources']} sources\n")
        print(format_methods(found))
        print("\nDefault minus each other:\n")
        print(format_differences(found))
        print()
        for rule, value in record["verdicts"][name].items():
            print(f"  {rule}: {value}")
    if "cost" in record:
        print(f"\n{format_costs(record['cost'])}\n\n{record['cost']['memory_mb']}")


def format_methods(found: Record) -> str:
    """Return a row for each method."""
    rows = []
    for name, measures in found["methods"].items():
        pointing = found["pointing"][name]
        head = found["random_head"].get(name)
        cells = [_format_interval(measures["saco"]), _format_interval(measures["difference"])]
        cells += [f"{measures[one][0]:.2f}" for one in list(COLUMNS)[2:]]
        rows.append([name, *cells, f"{pointing[0]:.2f}", "" if head is None else f"{head:.2f}"])
    return format_table(["method", *COLUMNS.values(), "pointing", "random head"], rows)


def format_differences(found: Record) -> str:
    """Return how much better the default is, with the paired interval."""
    names = list(found["default_minus"]["saco"])
    rows = [
        [name, *(_format_interval(each[name]) for each in found["default_minus"].values())]
        for name in names
    ]
    return format_table(["than", *found["default_minus"]], rows)


def format_costs(cost: Record) -> str:
    """Return forwards and milliseconds, for each size of the batch."""
    sizes = [name for name in cost if name.startswith("batch ")]
    rows = [
        [name, *(_format_cost(cost[size].get(name)) for size in sizes)] for name in cost[sizes[0]]
    ]
    return format_table(["ViT-B/16", *sizes], rows)


def _format_cost(cell: Record | None) -> str:
    """Format forwards, and milliseconds of CPU."""
    return "" if cell is None else f"{cell['forwards']:.2f} ({cell['cpu_ms']:.0f} ms)"


def _format_interval(interval: Sequence[float]) -> str:
    """Format a mean and its interval."""
    mean, low, high = interval
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def draw_plot(record: Record) -> None:
    """Draw both measures of the gate on both sets into docs/explain-faithfulness.png."""
    panels = [
        _make_panel(f"{name}: {title}", found, measure)
        for name, found in record["sets"].items()
        for measure, title in PLOTTED.items()
    ]
    title = "Faithfulness of maps, mean over two baselines, with 95% intervals; right is better"
    draw_panels(title, panels, 2, DOCS / "explain-faithfulness.png", (4.6, 3.4))


def _make_panel(title: str, found: Record, measure: str) -> Panel:
    """Return a panel with a bar for each method."""
    names = list(found["methods"])[::-1]

    def draw(axes: Axes) -> None:
        for place, name in enumerate(names):
            mean, low, high = found["methods"][name][measure]
            colour = COLOURS[1] if name == names[-1] else COLOURS[0]
            axes.barh(place, mean, 0.7, color=colour, xerr=[[mean - low], [high - mean]])
        axes.set_yticks(range(len(names)), names, size=7)
        axes.set_title(title, size=9)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")

    return draw
