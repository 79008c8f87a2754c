"""The fast histogram counts as the library's own does."""

import random

import pytest
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import HistogramMetricFamily

from app.observability.histogram import FOLDED, Series
from app.observability.metrics import SECONDS


@pytest.mark.parametrize("number", [0, 1, FOLDED, 3 * FOLDED + 7])
def test_it_counts_as_the_librarys_own(number: int) -> None:
    """Bucket by bucket, bounds and what is beyond them too."""
    chooser = random.Random(number)  # noqa: S311 - no secret
    values = [chooser.choice([*SECONDS, chooser.expovariate(1), 1e6, 0.0]) for _ in range(number)]
    own = Histogram("x", "X.", buckets=SECONDS, registry=CollectorRegistry())
    series = Series(SECONDS)
    for value in values:
        own.observe(value)
        series.add(value)
    (theirs,) = own.collect()
    ours = HistogramMetricFamily("x", "X.", *series.read())
    expected = {
        (sample.name, sample.labels.get("le")): pytest.approx(sample.value)
        for sample in theirs.samples
        if not sample.name.endswith("_created")
    }
    found = {(sample.name, sample.labels.get("le")): sample.value for sample in ours.samples}
    assert found == expected
