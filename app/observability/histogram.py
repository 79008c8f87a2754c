"""A histogram for what happens at every request: to add a value is to append it to a list.

The library's own takes 2 us for each value. Here they are put into buckets many at a time, when
there are FOLDED of them or the histogram is read.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from prometheus_client.core import Exemplar, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from app.observability.metrics import REGISTRY

FOLDED = 1000
"""Values that wait to be put into buckets at most."""


MAX_EXEMPLAR = 100
"""Characters of the name in an exemplar; OpenMetrics refuses a page with more than 128 in all."""

Labels = Mapping[str, str]
NO_LABELS: Labels = {}

Bucket = tuple[str, float] | tuple[str, float, Exemplar]
"""Upper bound, number of values up to it, and perhaps one of them."""


class Series:
    """Values of one series. Not for several threads.

    Args:
        bounds: upper bounds of the buckets, inclusive, rising.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = np.asarray(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0.0
        self._new: list[float] = []
        self._new_exemplars: list[Labels] = []
        self._exemplars: dict[int, Exemplar] = {}

    def add(self, value: float, exemplar: Labels = NO_LABELS) -> None:
        """Add a value, perhaps with what names it: the last one of each bucket is kept."""
        self._new.append(value)
        self._new_exemplars.append(exemplar)
        if len(self._new) >= FOLDED:
            self.fold()

    def extend(self, values: Sequence[float]) -> None:
        """Add many values."""
        self.fold()
        self._new.extend(values)
        self.fold()

    def fold(self) -> None:
        """Put the new values into buckets."""
        values, self._new = self._new, []
        exemplars, self._new_exemplars = self._new_exemplars, []
        places = np.searchsorted(self._bounds, values)
        self._counts += np.bincount(places, minlength=len(self._counts))
        self._sum += sum(values)
        for place, exemplar, value in zip(places.tolist(), exemplars, values, strict=False):
            if exemplar and max(map(len, exemplar.values())) <= MAX_EXEMPLAR:
                self._exemplars[place] = Exemplar(dict(exemplar), value)

    def read(self) -> tuple[list[Bucket], float]:
        """Read how many values are at most each bound, with an exemplar, and the sum of all."""
        self.fold()
        names = [*map(floatToGoString, self._bounds.tolist()), "+Inf"]
        pairs = zip(names, self._counts.cumsum().tolist(), strict=True)
        exemplars = self._exemplars
        return [
            (*pair, exemplars[place]) if place in exemplars else pair
            for place, pair in enumerate(pairs)
        ], self._sum


class FastHistogram(Collector):
    """A histogram of one or more series, in `REGISTRY`.

    Args:
        name: of the metric.
        text: its help.
        bounds: as of `Series`.
        label: name of the label that tells its series apart; empty where there is one.
    """

    def __init__(self, name: str, text: str, bounds: Sequence[float], label: str = "") -> None:
        self._name = name
        self._text = text
        self._bounds = bounds
        self._labels = [label] if label else []
        self._series: dict[str, Series] = {}
        REGISTRY.register(self)

    def find(self, value: str = "") -> Series:
        """Find the series of a label's value."""
        return self._series.setdefault(value, Series(self._bounds))

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """Give the series."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for value, series in self._series.items():
            buckets, total = series.read()
            family.add_metric([value] if self._labels else [], buckets, total)
        yield family
