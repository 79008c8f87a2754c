"""What has changed between two looks at /metrics, and never a negative number.

A replica that has ended takes its series along, and one that has started, or was silent, has no
value before: neither adds to a change. A counter that fell was begun anew.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from app.client.top.scrape import Labels, Page

ORIGIN = ("deployment", "replica", "node")
"""Labels of who has counted."""

LE = "le"

Group = tuple[str, ...]


def read_labels(labels: Labels, names: tuple[str, ...]) -> Group:
    """Read the values of some labels; empty where there is none."""
    found = dict(labels)
    return tuple(found.get(name, "") for name in names)


def add_up(series: Mapping[Labels, float], *by: str) -> dict[Group, float]:
    """Add up series that have the same values of some labels."""
    found: dict[Group, float] = defaultdict(float)
    for labels, value in series.items():
        found[read_labels(labels, by)] += value
    return dict(found)


@dataclass(frozen=True)
class Change:
    """Two pages, one after the other; of the first look alone, `before` is `after`."""

    before: Page
    after: Page

    @property
    def seconds(self) -> float:
        """The time between them."""
        return self.after.seconds - self.before.seconds

    @cached_property
    def _origins(self) -> frozenset[Group]:
        """Who had counted before."""
        series = (labels for found in self.before.samples.values() for labels in found)
        return frozenset(read_labels(labels, ORIGIN) for labels in series)

    def count(self, name: str, *by: str) -> dict[Group, float]:
        """Count what was added to a counter, by some labels."""
        before, added = self.before.find(name), {}
        for labels, value in self.after.find(name).items():
            if read_labels(labels, ORIGIN) in self._origins:
                old = before.get(labels, 0.0)
                added[labels] = max(0.0, value - old if value >= old else value)
        return add_up(added, *by)

    def rate(self, name: str, *by: str) -> dict[Group, float]:
        """Return what was added each second."""
        seconds = self.seconds or 1.0
        return {group: value / seconds for group, value in self.count(name, *by).items()}

    def mean(self, name: str, *by: str) -> dict[Group, float]:
        """Return the mean of what a histogram has seen, of groups that have seen anything."""
        counts = self.count(f"{name}_count", *by)
        sums = self.count(f"{name}_sum", *by)
        return {group: sums.get(group, 0.0) / n for group, n in counts.items() if n}

    def find_percentiles(self, name: str, by: str, *ranks: float) -> dict[str, tuple[float, ...]]:
        """Return percentiles of what a histogram has seen, by one label."""
        found: dict[str, dict[float, float]] = defaultdict(dict)
        for (group, bound), value in self.count(f"{name}_bucket", by, LE).items():
            found[group][_read_bound(bound)] = value
        return {
            group: tuple(interpolate(buckets, rank) for rank in ranks)
            for group, buckets in found.items()
            if max(buckets.values())
        }


def interpolate(buckets: Mapping[float, float], rank: float) -> float:
    """Return a percentile as Prometheus' histogram_quantile does: evenly within its bucket.

    Args:
        buckets: values at most as large as each bound.
        rank: from 0 to 100.
    """
    bounds = sorted(buckets)
    wanted = rank / 100 * buckets[bounds[-1]]
    low = below = 0.0
    for bound in bounds:
        if buckets[bound] >= wanted and bound != math.inf:
            share = (wanted - below) / ((buckets[bound] - below) or 1.0)
            return low + (bound - low) * min(1.0, max(0.0, share))
        if bound != math.inf:
            low, below = bound, buckets[bound]
    return low


def _read_bound(text: str) -> float:
    """Read a bucket's bound; one that is no number counts as the last."""
    try:
        bound = float(text)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(bound) else bound
