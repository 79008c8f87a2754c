"""Draw dashboards without Grafana: the queries of their panels, in their places.

    python -m tools.dashboards.draw http://127.0.0.1:9090 docs

What is drawn is what Prometheus answers to the JSON in deploy/grafana/; how, is not Grafana's.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.gridspec import GridSpec

from tools.dashboards.prometheus import Prometheus, Series, fill_in

SECONDS = 300.0
SCALES = {"percentunit": (100, " %"), "s": (1000, " ms"), "bytes": (1 / 2**20, " MiB")}
FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"


def draw_board(board: dict[str, Any], prometheus: Prometheus, path: Path) -> None:
    """Draw a dashboard of Grafana's JSON."""
    mpl.use("Agg")
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(19, height * 0.38), layout="constrained")
    grid = GridSpec(height, 24, figure)
    figure.suptitle(board["title"], fontsize=15)
    for panel in panels:
        at = panel["gridPos"]
        axes = figure.add_subplot(grid[at["y"] : at["y"] + at["h"], at["x"] : at["x"] + at["w"]])
        axes.set_title(panel["title"].replace("$target", "0.25"), fontsize=9, loc="left")
        draw_panel(axes, panel, prometheus)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def draw_panel(axes: Axes, panel: dict[str, Any], prometheus: Prometheus) -> None:
    """Draw one panel."""
    scale, unit = SCALES.get(panel["fieldConfig"]["defaults"].get("unit", ""), (1, ""))
    found = [
        (_describe(target.get("legendFormat", ""), labels), labels, values)
        for target in panel["targets"]
        for labels, values in ask(prometheus, target["expr"])
    ]
    if panel["type"] == "timeseries":
        _draw_lines(axes, panel, [(name, scaled(values, scale)) for name, _, values in found])
        axes.tick_params(labelsize=7)
        axes.set_ylabel(unit.strip(), fontsize=7)
        return
    axes.axis("off")
    if panel["type"] == "stat":
        words = [f"{scale * values[-1][1]:.3g}{unit}" for _, _, values in found]
        axes.text(0.5, 0.4, " ".join(words) or "no traffic", fontsize=22, ha="center")
        return
    for index, (_, labels, values) in enumerate(found):
        told = [f"{name}: {value}" for name, value in labels.items() if name != "instance"]
        lines = "\n".join([*told, f"loaded in {values[-1][1]:.2f} s"])
        axes.text(0.5 * index, 0.95, lines, fontsize=7, va="top")


def ask(prometheus: Prometheus, expression: str) -> list[Series]:
    """Ask for the values of a panel."""
    return prometheus.query(fill_in(expression, "20s"), SECONDS, step=2)


def scaled(values: list[tuple[float, float]], scale: float) -> list[tuple[float, float]]:
    """Scale the values, with seconds before the last one as time."""
    return [(at - values[-1][0], scale * value) for at, value in values]


def _draw_lines(
    axes: Axes, panel: dict[str, Any], found: list[tuple[str, list[tuple[float, float]]]]
) -> None:
    """Draw lines, or areas on top of each other."""
    stacking = panel["fieldConfig"]["defaults"]["custom"].get("stacking", {}).get("mode")
    if stacking == "normal":
        times = sorted({at for _, values in found for at, _ in values})
        rows = [[dict(values).get(at, 0) for at in times] for _, values in found]
        rows = [[0 if math.isnan(value) else value for value in row] for row in rows]
        axes.stackplot(times, rows, labels=[name for name, _ in found], alpha=0.7)
    else:
        for name, values in found:
            axes.plot(*zip(*values, strict=True), label=name, linewidth=1)
    if found:
        axes.legend(fontsize=6, loc="upper left")
    axes.set_ylim(bottom=0)


def _describe(legend: str, labels: dict[str, str]) -> str:
    """Fill in a legend."""
    for name, value in labels.items():
        legend = legend.replace(f"{{{{{name}}}}}", value or "none")
    return legend


if __name__ == "__main__":
    for file in sorted(FOLDER.glob("*.json")):
        picture = Path(sys.argv[2]) / f"dashboard-{file.stem}.png"
        draw_board(json.loads(file.read_text("utf-8")), Prometheus(sys.argv[1]), picture)
        print(picture)
