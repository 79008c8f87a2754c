"""What a client of a benchmark sends, and a tally of the answers."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

import numpy as np

from app.client.connection import Address
from app.client.pool import CUT_OFF, NO_CONNECTION, UNANSWERED
from app.client.request import make_post
from bench.kit.images import FORM, Picture

WORDS = {NO_CONNECTION: "no connection", CUT_OFF: "cut off", UNANSWERED: "unanswered"}


@dataclass(frozen=True)
class Target:
    """Where requests go on this machine, and the bytes of one."""

    address: Address
    request: bytes


def split_body(body: bytes, size: int) -> Iterator[bytes]:
    """Yield pieces of this size, the last one smaller."""
    return (body[start : start + size] for start in range(0, len(body), size))


def encode_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a body whose length is not announced."""
    return (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def make_target(url: str, picture: Picture) -> Target:
    """Return the request that sends the picture as a form to ``url``/predict."""
    return Target(Address(urlsplit(url).port or 80), make_post("/predict", FORM, picture.body()))


@dataclass
class Tally:
    """What came back: seconds from when a request was due, by status, and how late it was sent.

    Also the longest time between two good answers, and good ones after a schedule's end.
    """

    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    lateness: list[float] = field(default_factory=list)
    took_s: float = 0.0
    outage_s: float = 0.0
    late: int = 0
    _last_good: float = field(default_factory=time.perf_counter)

    def add(self, status: int, seconds: float) -> None:
        """Count one answer, which has just come."""
        self.seconds[status].append(seconds)
        if status == HTTPStatus.OK:
            now = time.perf_counter()
            self.outage_s = max(self.outage_s, now - self._last_good)
            self._last_good = now

    @property
    def statuses(self) -> Counter[int]:
        """How often each status came; NO_CONNECTION, CUT_OFF or UNANSWERED where none did."""
        return Counter({status: len(seconds) for status, seconds in self.seconds.items()})

    @property
    def good(self) -> int:
        """How many were answered with a 200."""
        return self.statuses[HTTPStatus.OK]

    @property
    def failed(self) -> dict[str, int]:
        """What else came, by status."""
        others = (pair for pair in self.statuses.items() if pair[0] != HTTPStatus.OK)
        return {WORDS.get(code, str(code)): count for code, count in others if count}

    def find_ms(self, rank: float, status: int = HTTPStatus.OK) -> float | None:
        """Return a percentile of the milliseconds of one status."""
        return find_ms(self.seconds[status], rank) if self.statuses[status] else None


def find_ms(seconds: Sequence[float], rank: float) -> float:
    """Return a percentile in milliseconds."""
    return round(1e3 * float(np.percentile(seconds, rank)), 2)
