"""Charts of a report: lines of SVG in the colours of the page, light or dark."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from app.evaluation.calibration import Reliability

INK, SOFT, LINE, ACCENT, ALERT = "#010101", "#010102", "#010103", "#010104", "#010105"
OTHERS = ("#010106", "#010107", "#010108")
COLORS: Final = {
    INK: "ink", SOFT: "soft", LINE: "line", ACCENT: "accent", ALERT: "alert",
    OTHERS[0]: "third", OTHERS[1]: "fourth", OTHERS[2]: "fifth",
}  # fmt: skip
"""Colours that stand for variables of the page's style, which replace them."""

SIZE = (5.0, 3.2)
"""Inches; of 72 points each, so that text stays readable on a phone."""

BARS = 20

STYLE: Final[dict[Any, Any]] = {
    "axes.edgecolor": SOFT,
    "axes.grid": True,
    "axes.labelcolor": SOFT,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.color": LINE,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Attributes:
        svg: an element for HTML, without scripts, whose colours are variables of the page.
        alt: what it shows, for those who do not see it.
    """

    svg: str
    alt: str


def draw_reliability(found: "Reliability", corrected: "Reliability | None" = None) -> Chart:
    """Draw how often best scores are right; on the diagonal they are probabilities.

    Args:
        found: as the scores are.
        corrected: as temperature scaling makes them.
    """

    def draw(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], "--", color=SOFT, lw=1)
        _draw_bins(axes, found, ACCENT, "scores")
        if corrected is not None:
            _draw_bins(axes, corrected, ALERT, "with the temperature")
            axes.legend(loc="lower right")
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="best score", ylabel="share that is right")

    about = f"Calibration error {found.error:.4f}"
    more = "" if corrected is None else f", with the temperature {corrected.error:.4f}"
    return _render(draw, f"Reliability diagram of best scores. {about}{more}.", "reliability")


def draw_histogram(right: NDArray[np.float32], wrong: NDArray[np.float32] | None = None) -> Chart:
    """Draw how many images have which best score.

    Args:
        right: best scores, 0 to 1: of the images that are right, or of all.
        wrong: of the images that are wrong, where that is known.
    """
    parts = [right] if wrong is None else [right, wrong]
    names = ["right", "wrong"] if wrong is not None else None

    def draw(axes: "Axes") -> None:
        colors = [ACCENT, ALERT][: len(parts)]
        edges = np.linspace(0, 1, BARS + 1).tolist()
        axes.hist(parts, edges, stacked=True, color=colors, label=names, rwidth=0.9)
        axes.set(xlim=(0, 1), xlabel="best score", ylabel="images", yscale="symlog")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(visible=False, axis="x")
        if names:
            axes.legend(loc="upper left")

    scores = np.concatenate(parts)
    middle = f"; half of them above {np.median(scores):.3f}" if len(scores) else ""
    return _render(draw, f"Histogram of the best scores of {len(scores)} images{middle}.", "scores")


def draw_curves(
    series: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str
) -> Chart:
    """Draw values over epochs or steps.

    Args:
        series: points (x, y) of up to five lines, by name.
        x_label: of the axis.
        y_label: of the axis.
    """
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - an extra, and slow to import

    def draw(axes: "Axes") -> None:
        for (name, points), color in zip(series.items(), [ACCENT, ALERT, *OTHERS], strict=False):
            values = np.asarray(points, np.float64).reshape(-1, 2)
            marker = "o-" if len(values) <= BARS else "-"
            label = name.replace("$", r"\$")
            axes.plot(values[:, 0], values[:, 1], marker, color=color, ms=3, lw=1.5, label=label)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()

    last = ", ".join(f"{name} ends at {points[-1][1]:.4g}" for name, points in series.items())
    return _render(draw, f"{y_label} by {x_label}: {last}.", f"{y_label} {x_label} {[*series]}")


def _draw_bins(axes: "Axes", found: "Reliability", color: str, label: str) -> None:
    """Draw a point for each bin that holds images, the larger the more it holds."""
    held = found.counts > 0
    sizes = 12 + 90 * np.sqrt(found.counts[held] / max(1, found.counts.max()))
    x, y = found.confidence[held], found.accuracy[held]
    axes.plot(x, y, "-", color=color, lw=1.2)
    axes.scatter(x, y, sizes, color=color, alpha=0.85, label=label, clip_on=False)


def _render(draw: "Callable[[Axes], None]", alt: str, salt: str) -> Chart:
    """Render a chart; the salt keeps its ids apart from those of others in the page."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(STYLE | {"svg.hashsalt": salt}):
        figure = Figure(figsize=SIZE, layout="constrained")
        draw(figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r"#01010\d", lambda found: f"var(--{COLORS[found[0]]})", svg)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    return Chart(re.sub(r"(font: [\d.]+px) [^;\"]*", r"\1 sans-serif", svg), alt)
