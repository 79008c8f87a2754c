"""The figures of the status line, from the metrics that replicas have counted."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.observability.metrics import SECONDS, Snapshot
from app.standalone.status_figures import describe, find_quantile, take_reading


class Replica:
    """A replica that counts, with metrics of the same names as the real ones."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.registry = CollectorRegistry()
        labels = ["route", "status", "problem"]
        self.requests = Counter("vitrine_requests", "x", labels, registry=self.registry)
        self.seconds = Histogram(
            "vitrine_request_seconds", "x", ["route"], buckets=SECONDS, registry=self.registry
        )
        self.images = Histogram("vitrine_batch_images", "x", registry=self.registry)
        self.in_flight = Gauge("vitrine_images_in_flight", "x", registry=self.registry)
        self.capacity = Gauge("vitrine_images_capacity", "x", registry=self.registry)

    def answer(self, count: int, seconds: float, problem: str = "", route: str = "/a") -> None:
        """Answer requests of a route."""
        self.requests.labels(route, "200", problem).inc(count)
        for _ in range(count):
            self.seconds.labels(route).observe(seconds)

    def take(self) -> Snapshot:
        """Take its snapshot."""
        return Snapshot("Any", self.name, list(self.registry.collect()))


def test_figures_are_those_of_the_interval() -> None:
    """What was counted before does not matter; all replicas and routes are added up."""
    one, two = Replica("one"), Replica("two")
    one.answer(1000, 20)
    before = take_reading([one.take(), two.take()], 10.0)
    one.answer(30, 0.004)
    two.answer(10, 0.04, route="/b")
    two.answer(4, 0.04, "overloaded")
    two.answer(4, 0.04, "undecodable-image")  # the client's
    one.images.observe(2)
    two.images.observe(5)
    one.in_flight.set(3)
    one.capacity.set(64)
    after = take_reading([one.take(), two.take()], 12.0)
    assert describe(before, after) == (
        "24 requests/s | p50 5 ms | p99 49 ms | 3.5 images/batch | 3 of 64 in flight | 2.0 errors/s"
    )


def test_a_replica_that_ends_or_begins_makes_no_jump() -> None:
    """No figure is negative, and none has what was counted before it was first seen."""
    old, kept, new = Replica("old"), Replica("kept"), Replica("new")
    old.answer(500, 1)
    kept.answer(7, 1)
    before = take_reading([old.take(), kept.take()], 0.0)
    kept.answer(2, 0.001)
    new.answer(300, 1)
    text = describe(before, take_reading([kept.take(), new.take()], 1.0))
    assert text.startswith("2 requests/s | p50 0 ms | p99 1 ms | no batches |")


def test_nothing_at_all_is_described_too() -> None:
    """As where no replica answers, or nobody asks."""
    nothing = take_reading([], 1.0)
    assert describe(nothing, nothing) == (
        "0 requests/s | p50 - | p99 - | no batches | 0 of 0 in flight | 0.0 errors/s"
    )


@pytest.mark.parametrize(("share", "expected"), [(0.5, 1.5), (0.75, 2.0), (0.99, 2.0), (0.1, 0.4)])
def test_a_quantile_lies_within_its_bucket(share: float, expected: float) -> None:
    """Linear between bounds; above the last one it is that bound."""
    assert find_quantile([(2.0, 3), (float("inf"), 4), (1.0, 1)], share) == pytest.approx(expected)
