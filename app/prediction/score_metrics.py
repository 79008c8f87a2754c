"""Metrics of the scores of answers: first labels, how high they score, how certain they are.

So that a drift of what is sent, or of the model, shows. Scores are looked at many at a time.
"""

import math
from collections import Counter as Counts
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.backend import Description
from app.observability.histogram import FOLDED, Series
from app.observability.metrics import clean_value

MAX_LABELS = 100
"""Labels with a series of their own; the others share one."""

OTHER_LABELS = "other"

MAX_WAITING = 1 << 18
"""Scores that wait to be looked at, of FOLDED answers at most."""

_STEPS = tuple(index / 20 for index in range(1, 20))


class ScoreMetrics(Collector):
    """Counts answers by their first label, and how certain they are.

    At most MAX_LABELS have a series by name, the first ones at first. What the others count goes to
    OTHER_LABELS. One of them that has counted twice as much as the rarest with a series takes its
    place, and counts from zero; what the rarest had goes to the others. So no series ever falls,
    and their sum is exact.
    """

    def __init__(self) -> None:
        self._waiting: list[NDArray[np.float32]] = []
        self._described: Description | None = None
        self._own = Counts[tuple[int, str]]()
        self._all = Counts[tuple[int, str]]()
        self._others = 0
        self._top = Series((*_STEPS, 0.99, 0.999, 1.0))
        self._entropy = Series((0.001, 0.01, *_STEPS, 1.0))

    def add(self, scores: NDArray[np.float32], description: Description) -> None:
        """Add an answer's scores `[labels]`."""
        if description is not self._described:
            self._look()
            if self._described is not None and description.labels != self._described.labels:
                self._others += self._own.total()
                self._own.clear()
                self._all.clear()
            self._described = description
        self._waiting.append(scores)
        if len(self._waiting) >= FOLDED or len(self._waiting) * len(scores) >= MAX_WAITING:
            self._look()

    def collect(self) -> Iterable[Metric]:
        """Give the series."""
        self._look()
        yield self._collect_labels()
        yield _make_histogram("vitrine_top_score", "Scores of the first labels.", self._top)
        text = "Entropy of the scores of an image, 1 for equal ones; of models with softmax alone."
        yield _make_histogram("vitrine_entropy_ratio", text, self._entropy)

    def _look(self) -> None:
        """Look at the scores that wait, all of one model."""
        if not self._waiting or self._described is None:
            return
        scores, self._waiting = np.stack(self._waiting), []
        first = scores.argmax(axis=1)
        labels, counts = np.unique(first, return_counts=True)
        for label_id, count in zip(labels.tolist(), counts.tolist(), strict=True):
            self._count((label_id, clean_value(self._described.labels[label_id])), count)
        activation, number = self._described.activation, scores.shape[1]
        if activation != "none":
            self._top.extend(scores.max(axis=1).tolist())
        if activation == "softmax" and number > 1:
            logs = np.log(scores, out=np.zeros_like(scores), where=scores > 0)
            entropy = -(scores * logs).sum(axis=1) / math.log(number)
            self._entropy.extend(entropy.clip(0, 1).tolist())

    def _count(self, key: tuple[int, str], count: int) -> None:
        """Count answers with a label."""
        self._all[key] += count
        if key in self._own or len(self._own) < MAX_LABELS:
            self._own[key] += count
        else:
            self._others += count

    def _give_series(self) -> None:
        """Give series to labels that have become frequent, in place of the rarest."""
        rare = sorted(self._own, key=self._all.__getitem__)
        frequent = (key for key, _ in self._all.most_common(MAX_LABELS) if key not in rare)
        for key, rarest in zip(frequent, rare, strict=False):
            if self._all[key] <= 2 * self._all[rarest]:
                return
            self._others += self._own.pop(rarest)
            self._own[key] = 0

    def _collect_labels(self) -> CounterMetricFamily:
        """Count the first labels."""
        text = "Answers by their first label; labels without a series of their own are `other`."
        family = CounterMetricFamily("vitrine_top_labels", text, labels=["label_id", "label"])
        self._give_series()
        for key, count in self._own.items():
            family.add_metric([str(key[0]), key[1]], count)
        if self._others:
            family.add_metric(["", OTHER_LABELS], self._others)
        return family


def _make_histogram(name: str, text: str, series: Series) -> HistogramMetricFamily:
    """Make the histogram of one series."""
    buckets, total = series.read()
    return HistogramMetricFamily(name, text, buckets, total)
