"""What the soak sends: every kind of request, how often, by which client, and the allowed answers.

The same number always gives the same request, so that a wrong answer is named by its number.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import TypeVar

import numpy as np

from app.client.request import make_head
from bench.kit.client import encode_chunks, split_body
from bench.kit.images import BOUNDARY, FORM, Picture, make_picture
from tests.support.mutations import list_originals, make_mutant
from tests.support.uploads import BAD_OPTIONS, REFUSED

SEED = 17
FRESH = 0.15
"""Share of well-behaved requests on a connection of their own."""

CHUNK = 700
LARGE_BODY_BYTES = 120_000  # app/deployments/haproxy.cfg: HAProxy waits for less
TIMEOUT = "X-Request-Timeout-Seconds"
OPTIONS = ("", "?top_k=1", "?top_k=10", "?threshold=0.2", "?top_k=3&threshold=0.05")
WRONG_OPTIONS = (
    *((f"?{query}", "") for query in BAD_OPTIONS),
    *(("", f"{TIMEOUT}: {value}") for value in ("-1", "0", "nan", "soon")),
)
OTHER_TYPES = ("application/json", "image/png", "application/x-www-form-urlencoded", "text/plain")
WRONG_TYPES = (f"{FORM}; charset=klingon", f"{FORM}; x={'y' * 600}", "multipart/")
OTHER_FILES = tuple(data for data, _ in REFUSED.values())
NOISE = (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"what is this?\r\n\r\n")

Rng = np.random.Generator
Message = tuple[bytes, bytes]
"""Head and body of a request as they go over the wire."""

T = TypeVar("T")


class Manner(Enum):
    """How a client behaves."""

    KEEPS = "keeps its connection"
    CLOSES = "has a connection of its own"
    LEAVES = "disconnects before the answer"
    STOPS = "disconnects in the middle of the body"
    CRAWLS = "sends the body in slow pieces"


@dataclass(frozen=True)
class Kind:
    """One kind of request; without allowed statuses its client waits for no answer."""

    name: str
    share: float
    allowed: set[int]
    make: Callable[[Rng, int], Message]
    manner: Manner = Manner.KEEPS
    pauses_s: tuple[float, float] = (0.0, 0.03)


@dataclass(frozen=True)
class Request:
    """One request, and how long a client that leaves or crawls waits."""

    kind: Kind
    head: bytes
    body: bytes
    manner: Manner
    pause_s: float


def choose(rng: Rng, values: tuple[T, ...]) -> T:
    """Return one of the values."""
    return values[rng.integers(len(values))]


@cache
def list_pictures() -> tuple[bytes, ...]:
    """List good pictures: every format and colour mode, digits, photographs."""
    return (*(data for _, data in list_originals()), make_picture("jpeg").content)


def make_form(data: bytes) -> bytes:
    """Return the form that carries a file."""
    return Picture("", data, "application/octet-stream").body()


def post(body: bytes, query: str = "", header: str = "", content_type: str = FORM) -> Message:
    """Return a request for a prediction whose length is announced."""
    headers = (f"Content-Type: {content_type}", header, f"Content-Length: {len(body)}")
    return make_head(f"POST /predict{query}", *headers), body


def post_picture(rng: Rng, query: str = "", header: str = "", more: bytes = b"") -> Message:
    """Return a request with a good picture, and more bytes behind it."""
    return post(make_form(choose(rng, list_pictures()) + more), query, header)


def send_picture(rng: Rng, _: int) -> Message:
    """Send a good picture with any of the options."""
    return post_picture(rng, choose(rng, OPTIONS))


def send_hurried(rng: Rng, _: int) -> Message:
    """Send a good picture and ask for the answer at once."""
    return post_picture(rng, "", f"{TIMEOUT}: {rng.uniform(0.001, 0.03):.4f}")


def send_late(rng: Rng, _: int) -> Message:
    """Send a picture that comes too late; time counts from its head, as HAProxy does not wait."""
    return post_picture(rng, "", f"{TIMEOUT}: 0.2", bytes(LARGE_BODY_BYTES))


def send_chunks(rng: Rng, _: int) -> Message:
    """Send a good picture whose length is not announced."""
    chunks = encode_chunks(split_body(post_picture(rng)[1], CHUNK))
    headers = (f"Content-Type: {FORM}", "Transfer-Encoding: chunked")
    return make_head("POST /predict", *headers), b"".join(chunks)


def send_no_form(rng: Rng, _: int) -> Message:
    """Send a body that is no form, or does not say how it is one."""
    return post(choose(rng, list_pictures()), content_type=choose(rng, OTHER_TYPES))


def send_bad_form(rng: Rng, _: int) -> Message:
    """Send a form without the file, with two, with too many fields, or of an odd type."""
    file = post_picture(rng)[1]
    end = f"--{BOUNDARY}--\r\n".encode()
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'.encode()
    bodies = (field + end, file.removesuffix(end) + file, 40 * field + file, b"--nothing\r\n", b"")
    odd = (post(file, content_type=content_type) for content_type in WRONG_TYPES)
    return choose(rng, (*map(post, bodies), *odd))


def get_page(path: str, status: int, header: str = "") -> Kind:
    """Return the kind that asks for a page."""
    message = make_head(f"GET {path}", header), b""
    return Kind(f"GET {path} {header}".strip(), 1.2, {status}, lambda *_: message)


ANNOUNCED = make_head("POST /predict", f"Content-Type: {FORM}", "Content-Length: 30000000"), b""
NO_PICTURE = {413, 415, 422}
KINDS = (
    Kind("picture", 41, {200}, send_picture),
    Kind("picture, chunked", 2, {200}, send_chunks),
    Kind("picture of 12 megapixels", 0.1, {200}, lambda *_: post(make_picture("12mp").body())),
    Kind("damaged", 24, {200, *NO_PICTURE}, lambda _, n: post(make_form(make_mutant(n).data))),
    Kind("no picture", 3, NO_PICTURE, lambda rng, _: post(make_form(choose(rng, OTHER_FILES)))),
    Kind("no form", 3, {422}, send_no_form),
    Kind("bad form", 3, {422}, send_bad_form),
    Kind("bad options", 3, {422}, lambda r, _: post_picture(r, *choose(r, WRONG_OPTIONS))),
    Kind("announced too large", 1, {413}, lambda *_: ANNOUNCED, Manner.CLOSES),
    Kind("hardly HTTP", 0.5, {400}, lambda rng, _: (choose(rng, NOISE), b""), Manner.CLOSES),
    Kind("short of time", 3, {200, 504}, send_hurried),
    Kind("body that comes late", 0.2, {504}, send_late, Manner.CRAWLS, (0.3, 0.5)),
    Kind("slow body", 0.3, {200}, send_picture, Manner.CRAWLS, (0.1, 0.3)),
    Kind("disconnects in flight", 3, set(), send_picture, Manner.LEAVES),
    Kind("disconnects in the body", 2, set(), send_picture, Manner.STOPS, (0.0, 0.3)),
    *(get_page(path, 200) for path in ("/labels", "/health", "/readyz", "/livez", "/docs")),
    get_page("/openapi.json", 200),
    get_page("/labels", 304, "If-None-Match: *"),
    get_page("/", 200),
    get_page("/nothing-here", 404),
    get_page("/predict", 405),
)
_SHARES = np.array([kind.share for kind in KINDS]) / sum(kind.share for kind in KINDS)


def make_request(number: int) -> Request:
    """Make the request of this number."""
    rng = np.random.default_rng((SEED, number))
    kind = KINDS[rng.choice(len(KINDS), p=_SHARES)]
    pause_s = float(rng.uniform(*kind.pauses_s))
    head, body = kind.make(rng, number)
    is_fresh = kind.manner is Manner.KEEPS and rng.random() < FRESH
    manner = Manner.CLOSES if is_fresh else kind.manner
    return Request(kind, head, body, manner, pause_s)
