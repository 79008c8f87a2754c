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

    At most MAX_LABELS have a series by name. One that has keeps it, so that no series ever falls;
    at each scrape the most frequent of those that have none yet get what is left.
    """

    def __init__(self) -> None:
        self._waiting: list[NDArray[np.float32]] = []
        self._described: Description | None = None
        self._counts = Counts[tuple[int, str]]()
        self._own: dict[tuple[int, str], None] = {}
        self._top = Series((*_STEPS, 0.99, 0.999, 1.0))
        self._entropy = Series((0.001, 0.01, *_STEPS, 1.0))

    def add(self, scores: NDArray[np.float32], description: Description) -> None:
        """Add an answer's scores `[labels]`."""
        if description is not self._described:
            self._look()
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
            self._counts[label_id, clean_value(self._described.labels[label_id])] += count
        activation, number = self._described.activation, scores.shape[1]
        if activation != "none":
            self._top.extend(scores.max(axis=1).tolist())
        if activation == "softmax" and number > 1:
            logs = np.log(scores, out=np.zeros_like(scores), where=scores > 0)
            entropy = -(scores * logs).sum(axis=1) / math.log(number)
            self._entropy.extend(entropy.clip(0, 1).tolist())

    def _collect_labels(self) -> CounterMetricFamily:
        """Count the first labels."""
        new = Counts({key: count for key, count in self._counts.items() if key not in self._own})
        self._own |= dict.fromkeys(key for key, _ in new.most_common(MAX_LABELS - len(self._own)))
        text = "Answers by their first label; labels without a series of their own are `other`."
        family = CounterMetricFamily("vitrine_top_labels", text, labels=["label_id", "label"])
        for key in self._own:
            family.add_metric([str(key[0]), key[1]], self._counts[key])
        rest = self._counts.total() - sum(self._counts[key] for key in self._own)
        if rest:
            family.add_metric(["", OTHER_LABELS], rest)
        return family


def _make_histogram(name: str, text: str, series: Series) -> HistogramMetricFamily:
    """Make the histogram of one series."""
    buckets, total = series.read()
    return HistogramMetricFamily(name, text, buckets, total)
