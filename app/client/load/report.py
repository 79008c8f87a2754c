"""What a load test has found: for each rate its answers and latencies, and the rate to size by."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.client.answer_text import GOOD
from app.client.generator import SEED
from app.client.load.measurement import Measurement
from app.client.load.outcome import NOT_SENT
from app.client.load.step import Step

RANKS: Final = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "p99.9": 99.9, "max": 100}
CURVE_RANKS: Final = (0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99, 100)
WANTED_SHARE = 0.99

MAX_LATE_MS = 20.0
"""A client that is later than this with 1% of its requests is what was measured."""


@dataclass(frozen=True)
class RateReport:
    """What was found at one rate; latencies are those of good answers, from due time.

    Attributes:
        rate_per_s: requests that were due.
        seconds: from the first to the last answer.
        sent: requests.
        outcomes: how often each came, the most frequent first.
        good_per_s: answers with 200.
        latency_ms: by rank; empty without a good answer.
        curve_ms: pairs of rank and latency.
        within_target: share of all requests that were answered with 200 in time.
        late_p99_ms: how late this client was itself.
        waited: requests that found every connection taken.
        kept_up: whether the service, not this client, was measured.
        meets_target: whether 99% of all requests were answered with 200 in time.
    """

    rate_per_s: float
    seconds: float
    sent: int
    outcomes: Mapping[str, int]
    good_per_s: float
    latency_ms: Mapping[str, float]
    curve_ms: Sequence[tuple[float, float]]
    within_target: float
    late_p99_ms: float
    waited: int
    kept_up: bool
    meets_target: bool


@dataclass(frozen=True)
class LoadReport:
    """What was found at all rates.

    Attributes:
        url: of the service.
        images: sent in turn.
        image_bytes: of all of them.
        connections: most that were open.
        duration_s: seconds of each rate.
        target_ms: within which 99% should be answered.
        seed: of the schedule.
        capacity_per_s: good answers of the closed loop; None where rates were given.
        best_per_s: the highest rate up to which all meet the target; None if there is none.
        interrupted: whether the user ended it.
        rates: each in its turn.
    """

    url: str
    images: int
    image_bytes: int
    connections: int
    duration_s: float
    target_ms: float
    seed: int
    capacity_per_s: float | None
    best_per_s: float | None
    interrupted: bool
    rates: Sequence[RateReport]


def make_report(measurement: Measurement) -> LoadReport:
    """Make the report of a measurement."""
    plan, capacity = measurement.plan, measurement.capacity
    rates = [_report_rate(step, plan.target_s) for step in measurement.steps if step.lateness]
    return LoadReport(
        url=plan.endpoint.url,
        images=len(plan.images),
        image_bytes=sum(len(image.content) for image in plan.images),
        connections=plan.connections,
        duration_s=plan.duration_s,
        target_ms=1e3 * plan.target_s,
        seed=SEED,
        capacity_per_s=None if capacity is None else round(capacity, 1),
        best_per_s=_find_best(rates),
        interrupted=measurement.is_interrupted,
        rates=rates,
    )


def _find_best(rates: Sequence[RateReport]) -> float | None:
    """Find the highest rate up to which every one meets the target."""
    rising = sorted(rates, key=lambda one: one.rate_per_s)
    good = [one.rate_per_s for one in itertools.takewhile(lambda one: one.meets_target, rising)]
    return good[-1] if good else None


def _report_rate(step: Step, target_s: float) -> RateReport:
    """Report one rate."""
    good = np.asarray(step.seconds.get(GOOD, ()))
    counts = {name: len(seconds) for name, seconds in step.seconds.items()}
    within = float((good <= target_s).sum() / len(step.lateness))
    late_ms = _find_ms(np.asarray(step.lateness), 99)
    return RateReport(
        rate_per_s=step.rate,
        seconds=round(step.took_s, 2),
        sent=len(step.lateness) - counts.get(NOT_SENT, 0),
        outcomes=dict(sorted(counts.items(), key=lambda pair: -pair[1])),
        good_per_s=round(len(good) / max(step.took_s, 1e-9), 1),
        latency_ms={name: _find_ms(good, rank) for name, rank in RANKS.items() if len(good)},
        curve_ms=[
            (rank, _find_ms(good, rank)) for rank in CURVE_RANKS if _is_seen(rank, len(good))
        ],
        within_target=round(within, 5),
        late_p99_ms=late_ms,
        waited=step.waited,
        kept_up=late_ms <= MAX_LATE_MS and NOT_SENT not in counts,
        meets_target=within >= WANTED_SHARE,
    )


def _is_seen(rank: float, count: int) -> bool:
    """Tell whether so many latencies have one beyond a rank; the longest stands for itself."""
    return count * (100 - rank) >= 100 or (count > 0 and rank == RANKS["max"])  # noqa: PLR2004


def _find_ms(seconds: "np.typing.NDArray[np.float64]", rank: float) -> float:
    """Find a percentile in milliseconds."""
    return round(1e3 * float(np.percentile(seconds, rank)), 2)
