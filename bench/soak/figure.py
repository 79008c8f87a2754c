"""The plot of the soak: a panel for each role, a line for each process. Knows the document."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.compare.summary import Document
from bench.kit.plots import COLOURS, STYLE
from bench.kit.results import DOCS, RESULTS

COLUMNS = 5


def draw_memory(document: Document, run: str) -> Path:
    """Draw the memory of every process; the whole soak into docs/, any other beside its results."""
    roles = list(dict.fromkeys(process["role"] for process in document["processes"]))
    rows = -(-len(roles) // COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.5 * COLUMNS, 1.9 * rows + 0.4), layout="constrained")
        for place, role in enumerate(roles):
            panel = figure.add_subplot(rows, COLUMNS, place + 1)
            draw_role(panel, role, [one for one in document["processes"] if one["role"] == role])
        title = "Memory of each process in MB, by thousands of requests"
        figure.suptitle(title, x=0.01, ha="left", size=11)
    path = (DOCS if run == "soak" else RESULTS) / f"{run}.png"
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path


def draw_role(axes: Axes, role: str, processes: list[Document]) -> None:
    """Draw the processes of one role."""
    for place, process in enumerate(processes):
        thousands = [requests / 1000 for requests in process["requests"]]
        colour = COLOURS[place % len(COLOURS)]
        axes.plot(thousands, process["memory_mb"], color=colour, linewidth=0.9)
    axes.set_ylim(0, 1.25 * max(max(process["memory_mb"]) for process in processes))
    axes.set_title(role, size=9)
