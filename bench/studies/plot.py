"""The plot of the policy study: docs/policy.png. Knows its results alone."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Cell = dict[str, Any]

COLOURS = {
    "groups, W = 1": "#9ecae1",
    "groups, W = 2": "#3182bd",
    "groups, W = 4": "#08306b",
    "plain, wait 0 ms": "#fdd0a2",
    "plain, wait 2 ms": "#fdae6b",
    "plain, wait 5 ms": "#f16913",
    "plain, wait 10 ms": "#a63603",
}
"""The policies that are drawn: blue for the group rule, orange for plain `@serve.batch`."""


def draw_plot(document: dict[str, Any], path: Path) -> None:
    """Draw latencies, goodput and scaling into a PNG."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    cells = document["policies"]
    draw_policies(axes[0], cells, "p50_ms", "Median latency", "ms, log scale")
    draw_policies(axes[1], cells, "p99_ms", "99th percentile of latency", "ms, log scale")
    draw_policies(axes[2], cells, "goodput", "Goodput", "images in time per s")
    draw_scaling(axes[3], document["scaling"])
    gpu = document["gpus"]["fast"]
    figure.suptitle(
        f"Batch policy on a simulated GPU: {gpu['fixed_ms']:g} ms + {gpu['image_ms']:g} ms an "
        f"image, at most 32 images a batch ({gpu['capacity']:.0f}/s)"
    )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def draw_policies(axes: Axes, cells: list[Cell], measure: str, title: str, unit: str) -> None:
    """Draw a bar for each policy at each offered rate."""
    rates = list(dict.fromkeys(cell["offered"] for cell in cells))
    width = 0.8 / len(COLOURS)
    for number, (name, colour) in enumerate(COLOURS.items()):
        values = [cell[measure] for cell in cells if cell["name"] == name]
        places = np.arange(len(rates)) + (number - (len(COLOURS) - 1) / 2) * width
        axes.bar(places, values, width, color=colour, label=name)
    axes.set_xticks(range(len(rates)), [f"{rate:.0f}" for rate in rates])
    axes.set(title=title, xlabel="offered, images/s", ylabel=unit)
    if measure.endswith("_ms"):
        axes.set_yscale("log")
        axes.set_ylim(bottom=10)
        axes.yaxis.set_major_formatter("{x:.0f}")
    axes.spines[["top", "right"]].set_visible(False)


def draw_scaling(axes: Axes, cells: list[Cell]) -> None:
    """Draw the goodput of more replicas beside what one gives, multiplied."""
    counts = [cell["replicas"] for cell in cells]
    goodputs = [cell["goodput"] for cell in cells]
    ideal = [goodputs[0] * count / counts[0] for count in counts]
    axes.plot(counts, ideal, "--", color="#888888", label="one replica, multiplied")
    axes.plot(counts, goodputs, "o-", color="#3182bd", label="groups, W = 2")
    for count, goodput in zip(counts, goodputs, strict=True):
        text = f"{goodput / goodputs[0]:.2f}x"
        axes.annotate(text, (count, goodput), (6, -12), textcoords="offset points")
    axes.set_xticks(counts)
    axes.set(
        title="Scaling, on a slower GPU",
        xlabel="classifier replicas",
        ylabel="images in time per s",
    )
    axes.set_ylim(0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
