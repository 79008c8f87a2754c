"""The plot of a load test: latencies by percentile and by rate, and what was answered."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.client.answer_text import GOOD
from app.client.load.report import LoadReport
from app.errors import ServiceError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES: Final = {".png", ".svg", ".pdf"}
TICKS: Final = (0, 50, 90, 99, 99.9, 99.99)
SHOWN: Final = ("p50", "p90", "p99", "max")
STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "svg.hashsalt": "vitrine",
}


MIN_SECONDS = 0.01
"""Of a rate: a shorter one is rounded to nothing."""


def check_plot(path: Path) -> None:
    """Refuse a plot that could not be drawn, before anything is measured.

    Raises:
        ServiceError: its format is unknown, its folder is not there, or matplotlib is not.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ServiceError(f"--plot {path}: the name ends in {', '.join(sorted(SUFFIXES))}.")
    if not path.parent.is_dir():
        raise ServiceError(f"--plot {path}: there is no folder {path.parent}.")
    if importlib.util.find_spec("matplotlib") is None:
        raise ServiceError("--plot needs matplotlib: pip install 'vitrine[plot]'.")


def draw_plot(report: LoadReport, path: Path) -> None:
    """Draw the report into a file.

    Raises:
        ServiceError: it cannot be written.
    """
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 3.6), layout="constrained")
        curves, latencies, answers = figure.subplots(1, 3)
        _draw_curves(curves, report)
        _draw_latencies(latencies, report)
        _draw_answers(answers, report)
        about = f"{report.url}: {report.duration_s:g} s each, {report.connections} connections"
        figure.suptitle(about.replace("$", r"\$"), x=0.01, ha="left", size=10)
        try:
            figure.savefig(path, dpi=110)
        except OSError as exc:
            raise ServiceError(f"--plot {path} cannot be written: {exc.strerror}.") from exc


def _draw_curves(axes: "Axes", report: LoadReport) -> None:
    """Draw the latency at each percentile, one line for each rate; the last nines are spread."""
    for one in report.rates:
        points = [(_spread(rank), ms) for rank, ms in one.curve_ms if rank < 100]  # noqa: PLR2004
        label = f"{one.rate_per_s:g}/s"
        axes.plot([x for x, _ in points], [ms for _, ms in points], "o-", ms=3, label=label)
    axes.set(yscale="log", xscale="log", xlabel="percentile", title="latency from due time, ms")
    axes.set_xticks([_spread(rank) for rank in TICKS], [f"{rank:g}" for rank in TICKS])
    axes.minorticks_off()
    _finish(axes, report)


def _spread(rank: float) -> float:
    """Place a percentile on the axis: 90, 99 and 99.9 are as far from each other."""
    return 100 / (100 - rank)


def _draw_latencies(axes: "Axes", report: LoadReport) -> None:
    """Draw percentiles against the rate."""
    rates = sorted((one for one in report.rates if one.latency_ms), key=lambda one: one.rate_per_s)
    for name in SHOWN:
        values = [one.latency_ms[name] for one in rates]
        axes.plot([one.rate_per_s for one in rates], values, "o-", ms=3, label=name)
    axes.set(yscale="log", xlabel="requests/s", title="latency by rate, ms")
    _finish(axes, report)


def _finish(axes: "Axes", report: LoadReport) -> None:
    """Draw the target, and say which line is which."""
    axes.axhline(report.target_ms, color="#b03030", lw=1, ls="--", label="target")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(fontsize=8)


def _draw_answers(axes: "Axes", report: LoadReport) -> None:
    """Draw how many of the requests were answered with 200 in each second, and how many not."""
    ticks = range(len(report.rates))
    good = [one.good_per_s for one in report.rates]
    others = [
        sum(count for name, count in one.outcomes.items() if name != GOOD)
        / max(one.seconds, MIN_SECONDS)
        for one in report.rates
    ]
    axes.bar(ticks, good, color="#1b6ca8", label="answered with 200")
    axes.bar(ticks, others, bottom=good, color="#e08e2b", label="anything else")
    due = [one.rate_per_s for one in report.rates]
    axes.plot(ticks, due, "_", color="#333333", ms=24, label="due")
    axes.set_xticks(ticks, [f"{one.rate_per_s:g}" for one in report.rates])
    axes.set(xlabel="requests/s", title="answers/s")
    axes.set_ylim(0, 1.35 * max(one.rate_per_s for one in report.rates))
    axes.legend(fontsize=8, loc="upper left")
