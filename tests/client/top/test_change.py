"""What has changed between two looks: replicas come, go and begin anew."""

import math

import pytest

from app.client.top.change import Change, interpolate
from app.client.top.scrape import Page, parse_page
from tests.client.top.pages import make_page

REQUESTS = "vitrine_requests_total"


def look(*replicas: tuple[str, float], seconds: float = 0.0) -> Page:
    """Make a look at a time."""
    return Page(seconds, parse_page(make_page(*replicas)))


def test_a_rate_is_the_sum_over_replicas() -> None:
    """By the time between two looks."""
    change = Change(look(("a", 100), ("b", 50)), look(("a", 120), ("b", 60), seconds=2.0))
    assert change.rate(REQUESTS, "route", "status") == {("/predict", "200"): 15.0}
    assert change.rate(REQUESTS, "replica") == {("a",): 10.0, ("b",): 5.0}


@pytest.mark.parametrize(
    ("after", "added"),
    [
        ((("b", 60),), 10),  # one has ended, and takes its series along
        ((("a", 100), ("b", 60), ("c", 1000)), 10),  # one was silent, and has counted long ago
        ((("a", 3), ("b", 60)), 13),  # one has begun anew
        ((("c", 5),), 0),  # all are others
        ((), 0),
    ],
)
def test_replicas_that_come_and_go_make_no_jumps(
    after: tuple[tuple[str, float], ...], added: float
) -> None:
    """Neither a negative rate nor all that a replica has ever counted."""
    change = Change(look(("a", 100), ("b", 50)), look(*after, seconds=1.0))
    assert sum(change.count(REQUESTS, "route").values()) == added


def test_a_new_series_of_a_known_replica_counts_from_nothing() -> None:
    """Such as the first request that is refused."""
    new = f'{REQUESTS}{{deployment="Ingress",replica="a",route="/x",status="422"}} 3'
    after = Page(1.0, parse_page(make_page(("a", 1), extra=[new])))
    change = Change(look(("a", 1)), after)
    assert change.count(REQUESTS, "route")[("/x",)] == 3


def test_the_first_look_has_no_rates() -> None:
    """There is no time between it and itself."""
    first = look(("a", 100))
    assert set(Change(first, first).rate(REQUESTS).values()) == {0.0}


def test_percentiles_are_those_of_the_moment() -> None:
    """Evenly within the bucket, of the requests between the looks, by route."""
    change = Change(look(("a", 100)), look(("a", 110), seconds=1.0))
    found = change.find_percentiles("vitrine_request_seconds", "route", 50, 100)
    assert found["/predict"] == pytest.approx((0.2, 0.3))
    idle = Change(look(("a", 100)), look(("a", 100), seconds=1.0))
    assert idle.find_percentiles("vitrine_request_seconds", "route", 50) == {}


@pytest.mark.parametrize(
    ("buckets", "rank", "value"),
    [
        ({1.0: 5.0, 2.0: 10.0, math.inf: 10.0}, 50, 1.0),
        ({1.0: 5.0, 2.0: 10.0, math.inf: 10.0}, 75, 1.5),
        ({1.0: 5.0, math.inf: 10.0}, 99, 1.0),  # beyond the last bound: that bound
        ({math.inf: 10.0}, 50, 0.0),
        ({1.0: 9.0, 2.0: 3.0, math.inf: 10.0}, 95, 2.0),  # of a page that lies
    ],
)
def test_a_percentile_is_prometheus_own(
    buckets: dict[float, float], rank: float, value: float
) -> None:
    """As histogram_quantile has it."""
    assert interpolate(buckets, rank) == pytest.approx(value)
