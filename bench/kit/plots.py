"""What all plots share: style, a grid of panels, bars with their spread, and where they go."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.client.load import plot

COLOURS = ("#1b6ca8", "#e08e2b", "#7a7a7a", "#4f9d69", "#a14d72", "#8a6d3b", "#333333")
STYLE: Final = plot.STYLE | {"axes.grid.axis": "y"}
ERROR_BARS = {"ecolor": "#333333", "elinewidth": 0.8}

Bar = tuple[float, Sequence[float]]
"""A value, and values of which the least and the most are its spread."""

Panel = Callable[[Axes], None]


def make_bars(
    title: str,
    ticks: Sequence[str],
    bars: Mapping[str, Sequence[Bar]],
    names: Iterable[str] = (),
    *,
    is_log: bool = False,
) -> Panel:
    """Return a panel with a group of bars for each tick, one for each name; values stand above.

    `names` are those of all panels, so that a name has the same colour in each.
    """
    colours = dict(zip(names, COLOURS, strict=False))

    def draw(axes: Axes) -> None:
        width = 0.8 / len(bars)  # of a group, whose bars leave a gap
        for index, (name, sides) in enumerate(bars.items()):
            heights = [value for value, _ in sides]
            centres = [group + (index - (len(bars) - 1) / 2) * width for group in range(len(sides))]
            low = [max(0.0, value - min(spread)) for value, spread in sides]
            high = [max(0.0, max(spread) - value) for value, spread in sides]
            look: dict[str, Any] = {"yerr": [low, high], "error_kw": ERROR_BARS, "label": name}
            colour = colours.get(name) or COLOURS[index % len(COLOURS)]
            drawn = axes.bar(centres, heights, 0.92 * width, color=colour, **look)
            texts = [f"{height:.{0 if height >= 10 else 1}f}" for height in heights]  # noqa: PLR2004
            axes.bar_label(drawn, texts, padding=2, size=7)
        axes.set_xticks(range(len(ticks)), ticks)
        axes.set_title(title, size=9)
        axes.margins(y=0.15)
        axes.set_yscale("log" if is_log else "linear")

    return draw


def draw_panels(
    title: str,
    panels: Sequence[Panel],
    columns: int,
    path: Path,
    size: tuple[float, float] = (4.2, 2.5),
) -> None:
    """Draw panels of this size in inches into a PNG."""
    rows = -(-len(panels) // columns)
    with mpl.rc_context(STYLE):
        width, height = max(size[0] * columns, 7), size[1] * rows + 0.6
        figure = Figure(figsize=(width, height), layout="constrained")
        for index, draw in enumerate(panels):
            draw(figure.add_subplot(rows, columns, index + 1))
        pairs = (zip(*axes.get_legend_handles_labels(), strict=True) for axes in figure.axes)
        named = {label: handle for each in pairs for handle, label in each}
        if named:
            figure.legend(named.values(), named, loc="outside lower center", ncols=4)
        figure.suptitle(title, x=0.01, ha="left", size=11)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    print(f"drawn: {path.parent.name}/{path.name}")
