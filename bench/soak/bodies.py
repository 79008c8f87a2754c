"""The bytes of each kind of request. Knows no connection and no answer."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np

from bench.kit.images import BOUNDARY, Picture, make_picture
from tests.support.mutations import list_originals, make_mutant

FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
OPTIONS = ("", "?top_k=1", "?top_k=10", "?threshold=0.2", "?top_k=3&threshold=0.05")
LARGE_BODY_BYTES = 120_000  # app/deployments/haproxy.cfg: HAProxy waits for less
BAD_OPTIONS = ("?top_k=0", "?top_k=many", "?top_k=99999", "?threshold=2", "?threshold=nan")
BAD_TIMES = ("-1", "0", "nan", "soon")
TOO_MANY_BYTES = 30_000_000
CHUNK = 700
NOISE = (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"what is this?\r\n\r\n")
OTHER_FILES = (
    b"",
    b"just text",
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    b"PK\x03\x04\x14\x00\x00\x00\x08\x00",
    b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    b"<!doctype html><title>no</title>",
    b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00.",
)

Rng = np.random.Generator
T = TypeVar("T")


@dataclass(frozen=True)
class Message:
    """One request as it goes over the wire."""

    head: bytes
    body: bytes = b""


def make_message(line: str, *headers: str, body: bytes | None = None) -> Message:
    """Return a request; its length is announced where it has a body."""
    length = () if body is None else (f"Content-Length: {len(body)}",)
    lines = (f"{line} HTTP/1.1", "Host: vitrine.test", *filter(None, headers), *length, "", "")
    return Message("\r\n".join(lines).encode("latin-1"), body or b"")


def choose(generator: Rng, values: tuple[T, ...]) -> T:
    """Return one of the values."""
    return values[generator.integers(len(values))]


def make_form(data: bytes) -> bytes:
    """Return the form that carries a file."""
    return Picture("", data, "application/octet-stream").body()


@cache
def list_pictures() -> tuple[bytes, ...]:
    """List good pictures: every format and colour mode, digits, photographs."""
    return (*(data for _, data in list_originals()), make_picture("jpeg").content)


@cache
def draw_large() -> bytes:
    """Draw the 12 megapixels once."""
    return make_picture("12mp").content


def send_picture(generator: Rng, _: int) -> Message:
    """Send a good picture with any of the options."""
    body = make_form(choose(generator, list_pictures()))
    return make_message(f"POST /predict{choose(generator, OPTIONS)}", FORM, body=body)


def send_large(_: Rng, __: int) -> Message:
    """Send the picture that takes long to read."""
    return make_message("POST /predict", FORM, body=make_form(draw_large()))


def send_chunks(generator: Rng, _: int) -> Message:
    """Send a good picture whose length is not announced."""
    body = make_form(choose(generator, list_pictures()))
    pieces = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
    chunks = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    head = make_message("POST /predict", FORM, "Transfer-Encoding: chunked").head
    return Message(head, chunks + b"0\r\n\r\n")


def send_mutant(_: Rng, number: int) -> Message:
    """Send a damaged picture, the one of this number."""
    return make_message("POST /predict", FORM, body=make_form(make_mutant(number).data))


def send_other_file(generator: Rng, _: int) -> Message:
    """Send a file that is no image."""
    return make_message("POST /predict", FORM, body=make_form(choose(generator, OTHER_FILES)))


def send_no_form(generator: Rng, _: int) -> Message:
    """Send a body that is no form, or does not say how it is one."""
    types = ("application/json", "image/png", "application/x-www-form-urlencoded", "text/plain")
    body = choose(generator, list_pictures())
    return make_message("POST /predict", f"Content-Type: {choose(generator, types)}", body=body)


def send_bad_form(generator: Rng, _: int) -> Message:
    """Send a form without the file, with two, with too many fields, or of an odd type."""
    file = make_form(choose(generator, list_pictures()))
    end = f"--{BOUNDARY}--\r\n".encode()
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'.encode()
    bodies = (field + end, file.removesuffix(end) + file, 40 * field + file, b"--nothing\r\n", b"")
    types = (FORM, f"{FORM}; charset=klingon", f"{FORM}; x={'y' * 600}", "Content-Type: multipart/")
    place = generator.integers(len(bodies) + len(types) - 1)
    if place < len(bodies):
        return make_message("POST /predict", FORM, body=bodies[place])
    return make_message("POST /predict", types[place - len(bodies) + 1], body=file)


def send_bad_options(generator: Rng, _: int) -> Message:
    """Send a good picture with an option or a time that is out of bounds."""
    body = make_form(choose(generator, list_pictures()))
    if generator.random() < 0.5:  # noqa: PLR2004 - half and half
        return make_message(f"POST /predict{choose(generator, BAD_OPTIONS)}", FORM, body=body)
    header = f"X-Request-Timeout-Seconds: {choose(generator, BAD_TIMES)}"
    return make_message("POST /predict", FORM, header, body=body)


def send_hurried(generator: Rng, _: int) -> Message:
    """Send a good picture and ask for the answer at once."""
    header = f"X-Request-Timeout-Seconds: {generator.uniform(0.001, 0.03):.4f}"
    body = make_form(choose(generator, list_pictures()))
    return make_message("POST /predict", FORM, header, body=body)


def send_late(generator: Rng, _: int) -> Message:
    """Send a good picture which will come too late for the time that it asks for.

    It is one that HAProxy does not wait for: the time of a smaller one begins when all has come.
    """
    body = make_form(choose(generator, list_pictures()) + bytes(LARGE_BODY_BYTES))
    return make_message("POST /predict", FORM, "X-Request-Timeout-Seconds: 0.2", body=body)


def announce_too_much(_: Rng, __: int) -> Message:
    """Announce a body beyond the limit, and send none of it."""
    return make_message("POST /predict", FORM, f"Content-Length: {TOO_MANY_BYTES}")


def send_noise(generator: Rng, _: int) -> Message:
    """Send what is no request."""
    return Message(choose(generator, NOISE))


def get_page(path: str, header: str) -> Callable[[Rng, int], Message]:
    """Return what asks for a page."""
    message = make_message(f"GET {path}", header)
    return lambda _, __: message
