"""What the soak sends: every kind of request, how often, by whom, and what may be answered.

The same number always gives the same request, so that a wrong answer is told by its number.
Knows no connection.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from bench.soak import bodies
from bench.soak.bodies import Message

SEED = 17
FRESH = 0.15
"""Share of well-behaved requests on a connection of their own."""


class Manner(Enum):
    """How a client behaves."""

    KEEPS = "keeps its connection"
    CLOSES = "has a connection of its own"
    LEAVES = "hangs up before the answer"
    STOPS = "hangs up in the middle of the body"
    CRAWLS = "sends the body in slow pieces"


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        kind: for the table.
        message: its bytes.
        allowed: the statuses that may be answered; none where nobody waits for an answer.
        manner: how its client behaves.
        pause_s: how long a client that leaves or crawls waits.
    """

    kind: str
    message: Message
    allowed: frozenset[int]
    manner: Manner
    pause_s: float


@dataclass(frozen=True)
class Kind:
    """One kind of request; ``make`` is given a generator and the request's number."""

    name: str
    share: float
    allowed: set[int]
    make: Callable[[np.random.Generator, int], Message]
    manner: Manner = Manner.KEEPS
    pauses_s: tuple[float, float] = (0.0, 0.03)


READ_OR_REFUSED = {200, 413, 415, 422}
PAGES = (
    ("/labels", "", 200),
    ("/labels", "If-None-Match: *", 304),
    ("/health", "", 200),
    ("/readyz", "", 200),
    ("/livez", "", 200),
    ("/docs", "", 200),
    ("/openapi.json", "", 200),
    ("/", "", 307),
    ("/nothing-here", "", 404),
    ("/predict", "", 405),
)
KINDS = (
    Kind("picture", 41, {200}, bodies.send_picture),
    Kind("picture, chunked", 2, {200}, bodies.send_chunks),
    Kind("picture of 12 megapixels", 0.1, {200}, bodies.send_large),
    Kind("damaged picture", 24, READ_OR_REFUSED, bodies.send_mutant),
    Kind("no picture", 3, {415, 422}, bodies.send_other_file),
    Kind("no form", 3, {422}, bodies.send_no_form),
    Kind("bad form", 3, {422}, bodies.send_bad_form),
    Kind("bad options", 3, {422}, bodies.send_bad_options),
    Kind("announced too large", 1, {413}, bodies.announce_too_much, Manner.CLOSES),
    Kind("hardly HTTP", 0.5, {400}, bodies.send_noise, Manner.CLOSES),
    Kind("short of time", 3, {200, 504}, bodies.send_hurried),
    Kind("body that comes late", 0.2, {504}, bodies.send_late, Manner.CRAWLS, (0.3, 0.5)),
    Kind("slow body", 0.3, {200}, bodies.send_picture, Manner.CRAWLS, (0.1, 0.3)),
    Kind("hangs up in flight", 3, set(), bodies.send_picture, Manner.LEAVES),
    Kind("hangs up in the body", 2, set(), bodies.send_picture, Manner.STOPS, (0.0, 0.3)),
    *(
        Kind(f"GET {path} {header}".strip(), 1.2, {status}, bodies.get_page(path, header))
        for path, header, status in PAGES
    ),
)
_SHARES = np.array([kind.share for kind in KINDS]) / sum(kind.share for kind in KINDS)


def make_request(number: int) -> Request:
    """Make the request of this number."""
    generator = np.random.default_rng((SEED, number))
    kind = KINDS[generator.choice(len(KINDS), p=_SHARES)]
    pause_s = float(generator.uniform(*kind.pauses_s))
    message = kind.make(generator, number)
    request = Request(kind.name, message, frozenset(kind.allowed), kind.manner, pause_s)
    if kind.manner is Manner.KEEPS and generator.random() < FRESH:
        return replace(request, manner=Manner.CLOSES)
    return request
