"""The tables of `vitrine top`, over pages of a service that wants to do harm."""

import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from app.client.endpoint import read_endpoint
from app.client.top.change import Change
from app.client.top.scrape import Page, parse_page
from app.client.top.screen import print_once, render
from app.errors import ServiceError
from tests.client.top.pages import HEAD, make_page
from tests.support.raw_server import RawServer, Reply, always, make_answer, serve_raw

HOSTILE = "[bold red]\x1b[2J\u202elabel[/]"
STYLES = re.compile(r"\x1b\[[\d;]*m")
"""What rich itself writes for colours."""


@pytest.fixture
def server() -> Iterator[RawServer]:
    """A server without requests yet."""
    with serve_raw(always(b"")) as running:
        yield running


def draw(change: Change, width: int, *, is_terminal: bool = False) -> str:
    """Draw the tables as a terminal of a width would get them."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=is_terminal, no_color=not is_terminal)
    console.print(render(change, "http://a.example/metrics", width))
    return file.getvalue()


def make_change(*extra: str) -> Change:
    """Make the change in two seconds of a replica that answers ten requests a second."""
    before, after = make_page(("a", 100), extra=extra), make_page(("a", 120), extra=extra)
    return Change(Page(0.0, parse_page(before)), Page(2.0, parse_page(after)))


def answer_page(page: bytes) -> Reply:
    """Answer with a page."""
    return always(make_answer("200 OK", page, "text/plain"))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_labels_are_shown_as_text(width: int) -> None:
    """Neither markup nor control characters have an effect, in whatever column they are."""
    who = HEAD % "a"
    change = make_change(
        f'vitrine_top_labels_total{{{who},label="{HOSTILE}",label_id="{HOSTILE}"}} 5',
        f'vitrine_requests_total{{{who},route="{HOSTILE}",status="{HOSTILE}",problem="x"}} 5',
        f'vitrine_images_total{{deployment="{HOSTILE}",replica="{HOSTILE}"}} 5',
        f'vitrine_model_info{{id="{HOSTILE}",revision="{HOSTILE}",device="{HOSTILE}"}} 1',
        f'vitrine_silent_replicas{{deployment="{HOSTILE}"}} 1',
    )
    text = STYLES.sub("", draw(change, width, is_terminal=True))
    assert all(one.isprintable() or one == "\n" for one in text)
    assert "[bold" in text  # as text
    assert "\ufffd[2J" in text or width < 80


@pytest.mark.parametrize("width", [30, 80, 130, 250])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Columns are cut; below each other where there is little room, else side by side."""
    lines = draw(make_change(), width).splitlines()
    assert max(len(line) for line in lines) <= width
    beside = [line for line in lines if "requests" in line and "replicas" in line]
    assert bool(beside) == (width >= 130)


def test_text_gives_way_to_numbers() -> None:
    """Where there is little room, long names are cut and no number is."""
    long = (
        f'vitrine_requests_total{{{HEAD % "a"},route="/{"x" * 40}",status="415",problem="p"}} 12345'
    )
    lines = draw(make_change(long), 60).splitlines()
    (line,) = (line for line in lines if "12345" in line)
    assert "…" in line
    assert re.search(r"req/s +p50 ms +p95 ms +p99 ms +ever", "\n".join(lines))


def test_rates_percentiles_and_shares_are_shown() -> None:
    """Of the two seconds, with what was counted before."""
    text = draw(make_change(), 80)
    assert re.search(r"/predict +200 +10\.0 +200 +290 +298 +120", text)
    assert re.search(r"Ingress +a +10\.0 +100%", text)


def test_what_the_proxy_refuses_is_shown_where_it_is_told() -> None:
    """It did not reach the service."""
    assert "by the proxy" not in draw(make_change(), 80)
    refusals = 'vitrine_proxy_refusals_total{node="n",api="http"} 7'
    assert re.search(r"by the proxy +503 refused +- +7", draw(make_change(refusals), 80))


def test_thousands_of_series_fill_no_screen() -> None:
    """The most frequent are shown, and how many others there are."""
    who = HEAD % "a"
    labels = (f'vitrine_top_labels_total{{{who},label="l{n}"}} {n}' for n in range(1000))
    routes = (f'vitrine_requests_total{{{who},route="/{n}",status="200"}} 1' for n in range(1000))
    others = (f'vitrine_images_total{{deployment="D{n}",replica="r"}} 1' for n in range(1000))
    text = draw(make_change(*labels, *routes, *others), 80)
    assert len(text.splitlines()) < 80
    assert "l999" in text
    assert "… and 990 more" in text


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (always(make_answer("404 No", b'{"detail": "Off."}')), "404: Off. Is it Vitrine, and"),
        (always(make_answer("401 No", b"")), "VITRINE_API_KEY or --key gives one."),
        (answer_page(b"hello"), "has no metrics of Vitrine."),
        (answer_page(b"\xff\xfe"), "has no metrics of Vitrine."),
        (answer_page(b"up 1\n"), "has no metrics of Vitrine."),
        (answer_page(b"vitrine_images_total NaN\n"), "has no metrics of Vitrine."),
        (answer_page(b'vitrine_x{a="1"\n'), "has no metrics of Vitrine."),
        (always(b"SSH-2.0-OpenSSH_9.2\r\n"), "The answer is not HTTP/1.1."),
        (lambda *_: None, "there is no answer in time."),
        (
            always(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * (17 << 20)),
            "The answer has more than 16777216 bytes.",
        ),
    ],
)
def test_what_has_no_metrics_of_vitrine_is_told_in_a_line(
    server: RawServer, monkeypatch: pytest.MonkeyPatch, reply: Reply, said: str
) -> None:
    """An answer without end, and none, are bounded."""
    monkeypatch.setattr("app.client.top.scrape.TIMEOUT_S", 0.5)
    server.reply = reply
    with pytest.raises(ServiceError) as caught:
        print_once(read_endpoint(server.url, "/metrics"), 0.1, Console(file=io.StringIO()))
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_the_key_is_sent(server: RawServer) -> None:
    """As /predict gets it."""
    server.reply = answer_page(make_page(("a", 1)))
    print_once(read_endpoint(server.url, "/metrics", "k-1"), 0.1, Console(file=io.StringIO()))
    assert len(server.requests) == 2
    assert all(b"\r\nX-API-Key: k-1\r\n" in request for request in server.requests)
