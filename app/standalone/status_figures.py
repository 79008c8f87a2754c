"""What the service did between two collections of its metrics, in one line of text."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from itertools import pairwise

from app.errors import ProblemError
from app.observability.metrics import Snapshot

SERVER_ERRORS = frozenset(
    error.type
    for error in ProblemError.__subclasses__()
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
)
"""Types of the problems that are counted as errors: those of the service, not of its clients."""

_REQUESTS, _SECONDS = "vitrine_requests_total", "vitrine_request_seconds_bucket"
_IMAGES, _BATCHES = "vitrine_batch_images_sum", "vitrine_batch_images_count"
_COUNTED = frozenset({_REQUESTS, _SECONDS, _IMAGES, _BATCHES})
_REFUSALS = "vitrine_proxy_refusals_total"
_IN_FLIGHT, _CAPACITY = "vitrine_images_in_flight", "vitrine_images_capacity"

Key = tuple[str, str]
"""Name of a sample, and the label of it that matters: a bucket's bound, or a problem's type."""


@dataclass(frozen=True)
class Reading:
    """The metrics at one moment.

    Attributes:
        time: by the monotonic clock.
        counts: of each replica and node, so that one which ends takes nothing away from the others.
        in_flight: images, of all replicas.
        capacity: images that may be in flight.
    """

    time: float
    counts: Mapping[str, Mapping[Key, float]]
    in_flight: float
    capacity: float


def take_reading(snapshots: Iterable[Snapshot], time: float) -> Reading:
    """Take the reading from the snapshots of all replicas."""
    counts: dict[str, dict[Key, float]] = {}
    gauges = defaultdict[str, float](float)
    for snapshot in snapshots:
        own = counts.setdefault(snapshot.replica, defaultdict(float))
        for sample in (sample for metric in snapshot.metrics for sample in metric.samples):
            if sample.name in _COUNTED:
                label = sample.labels.get("le") or sample.labels.get("problem", "")
                own[sample.name, label] += sample.value
            else:
                gauges[sample.name] += sample.value
        node = counts.setdefault(f"node {snapshot.node}", {})  # each of its replicas tells the same
        for sample in (sample for metric in snapshot.node_metrics for sample in metric.samples):
            if sample.name == _REFUSALS:
                node[_REFUSALS, sample.labels["api"]] = sample.value
    return Reading(time, counts, gauges[_IN_FLIGHT], gauges[_CAPACITY])


def describe(before: Reading, after: Reading) -> str:
    """Describe what happened between two readings, and what is in flight at the second.

    A replica counts from the first reading that has it.
    """
    counted = _subtract(before, after)
    seconds = max(after.time - before.time, 1e-9)
    requests = {label: count for (name, label), count in counted.items() if name == _REQUESTS}
    errors = sum(count for problem, count in requests.items() if problem in SERVER_ERRORS)
    errors += sum(max(0, count) for (name, _), count in counted.items() if name == _REFUSALS)
    times = [(float(le), count) for (name, le), count in counted.items() if name == _SECONDS]
    batches, images = counted[_BATCHES, ""], counted[_IMAGES, ""]
    return " | ".join(
        (
            f"{sum(requests.values()) / seconds:.0f} requests/s",
            f"p50 {_format_time(find_quantile(times, 0.5))}",
            f"p99 {_format_time(find_quantile(times, 0.99))}",
            f"{images / batches:.1f} images/batch" if batches else "no batches",
            f"{after.in_flight:.0f} of {after.capacity:.0f} in flight",
            f"{errors / seconds:.1f} errors/s",
        )
    )


def find_quantile(buckets: Iterable[tuple[float, float]], share: float) -> float | None:
    """Find a quantile, as Prometheus' `histogram_quantile` does: linear within its bucket.

    Args:
        buckets: upper bound and how many values are at most that; the last bound is infinite.
        share: of the values that are at most the quantile.

    Returns:
        None without values; the last finite bound where it lies above.
    """
    rising = [(0.0, 0.0), *sorted(buckets)]
    rank = share * rising[-1][1]
    for (low, fewer), (high, more) in pairwise(rising):
        if more >= rank > 0:
            return (
                low
                if high == float("inf")
                else low + (high - low) * (rank - fewer) / (more - fewer)
            )
    return None


def _subtract(before: Reading, after: Reading) -> Mapping[Key, float]:
    """Add up what the replicas that are in both readings have counted in between."""
    counted = defaultdict[Key, float](float)
    for replica in before.counts.keys() & after.counts.keys():
        old = before.counts[replica]
        for key, count in after.counts[replica].items():
            counted[key] += count - old.get(key, 0)
    return counted


def _format_time(seconds: float | None) -> str:
    """Format a time, if there is one."""
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"
