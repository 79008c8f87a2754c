"""Whether a process grows: the slope of its memory over the second half of the soak, and its doubt.

Theil-Sen: the median slope between any two samples (Sen, 1968), which peaks do not bend. Knows
numbers alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from scipy.stats import theilslopes

FEWEST = 20
"""Samples; of a process that lived for fewer no slope is told."""

CONFIDENCE = 0.95
PER_REQUESTS = 10_000
NOISE_MB = 2.0
NOISE_SHARE = 0.01
"""Growth over the measured half that is called noise: the larger of both; a share of its memory.

The interval alone would not do: neighbouring samples are alike, so it comes out too narrow.
"""


@dataclass(frozen=True)
class Growth:
    """How the memory of one process went; slopes in MB for each 10,000 requests.

    Attributes:
        low: of the 95% interval of the slope.
        high: of the same.
        grown_mb: over the measured half, by the slope.
        is_noise: it does not grow, or by no more than noise.
    """

    slope: float
    low: float
    high: float
    grown_mb: float
    is_noise: bool

    def as_dict(self) -> dict[str, float | bool]:
        """Return the fields as JSON has them."""
        return asdict(self)


def measure_growth(requests: Sequence[int], memory_mb: Sequence[float]) -> Growth | None:
    """Return the growth over the second half of the samples; None where they are too few."""
    half = len(requests) // 2
    xs, ys = requests[half:], memory_mb[half:]
    if len(xs) < FEWEST:
        return None
    found = theilslopes(ys, xs, CONFIDENCE)
    slopes = (found.slope, found.low_slope, found.high_slope)
    slope, low, high = (round(PER_REQUESTS * float(value), 3) for value in slopes)
    grown_mb = round(slope * (xs[-1] - xs[0]) / PER_REQUESTS, 3)
    is_noise = low <= 0 or grown_mb <= max(NOISE_MB, NOISE_SHARE * ys[0])
    return Growth(slope, low, high, grown_mb, is_noise)
