"""The soak's findings about processes: growth, verdict, tables, plot. Knows no process and no load.

Growth is the slope of a process's memory over the second half of the soak by Theil-Sen: the median
slope between any two samples (Sen, 1968), which peaks do not bend.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from scipy.stats import theilslopes

from bench.kit.plots import draw_panels
from bench.kit.results import Record, format_table
from bench.soak.watch import HAPROXY, READER, Series

REPLACEABLE = {READER, HAPROXY}
"""Roles whose processes the service replaces itself: that is listed, and no failure."""

MIN_SAMPLES = 20
"""The slope of a process that lived for fewer is not given."""

CONFIDENCE = 0.95
PER_REQUESTS = 10_000
NOISE_MB = 2.0
NOISE_SHARE = 0.01
"""Growth over the measured half that is called noise: the larger of both; a share of its memory.

The interval alone would not do: neighbouring samples are alike, so it comes out too narrow.
"""


def measure_growth(requests: Sequence[int], memory_mb: Sequence[float]) -> Record | None:
    """Return the growth over the second half of the samples; None where they are too few.

    The slope and its 95% interval are MB for each 10,000 requests; it is noise where it is not
    above zero for sure, or by no more than noise.
    """
    half = len(requests) // 2
    xs, ys = requests[half:], memory_mb[half:]
    if len(xs) < MIN_SAMPLES:
        return None
    found = theilslopes(ys, xs, CONFIDENCE)
    slopes = (found.slope, found.low_slope, found.high_slope)
    slope, low, high = (round(PER_REQUESTS * float(value), 3) for value in slopes)
    grown_mb = round(slope * (xs[-1] - xs[0]) / PER_REQUESTS, 3)
    is_noise = low <= 0 or grown_mb <= max(NOISE_MB, NOISE_SHARE * ys[0])
    return {"slope": slope, "low": low, "high": high, "grown_mb": grown_mb, "is_noise": is_noise}


def describe_processes(series: Series) -> list[Record]:
    """Return every process, by role, with its series and how it grew."""
    last = max(point[0] for points in series.values() for point in points)
    found: list[Record] = []
    for (role, _), points in series.items():  # two samples may be taken at once, out of order
        requests, memory, pss = map(list, zip(*sorted(points), strict=True))
        record: Record = {"role": role, "requests": requests, "memory_mb": memory, "pss_mb": pss}
        record["growth"] = measure_growth(requests, memory)
        record |= {"began_later": requests[0] > 0, "ended_early": requests[-1] < last}
        found.append(record)
    return sorted(found, key=lambda process: (process["role"], process["requests"][0]))


def list_growing(processes: list[Record]) -> list[str]:
    """List the processes that grow, and those that should not have been replaced."""
    grown = [
        f"{one['role']} grows by {one['growth']['slope']} MB in 10,000 requests"
        for one in processes
        if one["growth"] and not one["growth"]["is_noise"]
    ]
    replaced = [
        f"{one['role']} was replaced"
        for one in processes
        if one["ended_early"] and one["role"] not in REPLACEABLE
    ]
    return grown + replaced


def print_record(record: Record) -> None:
    """Print the answers of each kind, a line for each process, and what is held at rest."""
    answers = [
        [kind, ", ".join(f"{count} x {name}" for name, count in found.items())]
        for kind, found in record["answers"].items()
    ]
    print(f"\n{format_table(['kind', 'answers'], answers)}")
    print(f"\nlongest {record['longest_s']} s: {record['longest']}")
    print(f"sent again on a new connection: {record['sent_again']}\n")
    rows = []
    for one in record["processes"]:
        rows.append([one["role"], f"{one['memory_mb'][0]:.1f}", f"{one['memory_mb'][-1]:.1f}"])
        if growth := one["growth"]:
            rows[-1].append("{slope:.2f} ({low:.2f} to {high:.2f})".format(**growth))
            rows[-1] += [f"{growth['grown_mb']:.2f}", "yes" if growth["is_noise"] else "NO"]
    head = ["process", "first MB", "last MB", "MB/10,000 (95% interval)", "grown MB", "noise"]
    print(format_table(head, rows))
    rests = (record["rest_before"], record["rest_after"])
    for when, rest in zip(("before", "after"), rests, strict=True):
        print(f"\nat rest {when}: {rest}")


def draw_memory(record: Record, path: Path) -> None:
    """Draw a panel for each role, a line for each process."""
    processes = record["processes"]

    def draw_role(role: str, axes: Axes) -> None:
        for process in (one for one in processes if one["role"] == role):
            thousands = [requests / 1000 for requests in process["requests"]]
            axes.plot(thousands, process["memory_mb"], linewidth=0.9)
        axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
        axes.set_title(role, size=9)

    panels = [partial(draw_role, role) for role in dict.fromkeys(p["role"] for p in processes)]
    title = "Memory of each process in MB, by thousands of requests"
    draw_panels(title, panels, 5, path, (2.5, 1.9))
