"""Images from elsewhere: only from public hosts that are allowed, within bounds, and no secrets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext, suppress
from ipaddress import ip_network
from typing import Any, Final

import httpcore2
import pytest

from app.errors import InvalidRequestError, OverloadedError, PayloadTooLargeError, ProblemError
from app.fetching import fetcher as fetcher_module
from app.fetching.addresses import Resolver, is_public, is_within, list_own
from app.fetching.fetcher import FETCHES, Fetcher
from app.fetching.host_rules import HostRules

PUBLIC = "93.184.215.14"
ALL = HostRules(("*",))
IMAGE = b"GIF89a and so on"
Answer = Callable[[str], bytes]


def make_answer(status: int = 200, body: bytes = IMAGE, *headers: str) -> bytes:
    """Make what a host answers."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Internet(httpcore2.AsyncNetworkBackend):
    """Public addresses that are all the same server on this machine; notes where it was asked.

    Attributes:
        connected: addresses that connections went to.
        asked: heads of the requests.
    """

    def __init__(self, answers: dict[str, bytes]) -> None:
        self._answers = answers
        self._real = httpcore2.AnyIOBackend()
        self.port = 0
        self.connected: list[str] = []
        self.asked: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,  # noqa: ARG002 - every port is the server's
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the server, unless there is none at the address."""
        self.connected.append(host)
        if host == "8.8.4.4":
            raise httpcore2.ConnectError("no server")
        return await self._real.connect_tcp(
            "127.0.0.1", self.port, timeout, local_address, socket_options
        )

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request by its path."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.asked.append(head)
        writer.write(self._answers.get(head.split(" ")[1], make_answer(404)))
        with suppress(ConnectionError):
            await writer.drain()
            if "/slow" in head:
                await reader.read()  # until the client gives up
        writer.close()


@asynccontextmanager
async def open_internet(answers: dict[str, bytes]) -> AsyncIterator[Internet]:
    """Open the server."""
    internet = Internet(answers)
    server = await asyncio.start_server(internet.answer, "127.0.0.1", 0)
    internet.port = server.sockets[0].getsockname()[1]
    async with server:
        yield internet
        await asyncio.sleep(0.05)  # it reads that its clients disconnected


def resolve_to(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    """Make a resolver that knows these addresses of every name; each later ask gets the next."""
    answers = iter(addresses)

    async def resolve(_host: str, _port: int) -> list[str]:
        return next(answers).split()

    return resolve


def ignore(_count: int) -> None:
    """Have room for everything."""


def fetch(
    url: str,
    answers: dict[str, bytes] | None = None,
    addresses: tuple[str, ...] = (PUBLIC,) * 5,
    rules: HostRules = ALL,
) -> tuple[bytes | ProblemError, Internet]:
    """Fetch a URL; gives the image or the error, and what was asked."""

    async def scenario() -> tuple[bytes | ProblemError, Internet]:
        async with open_internet(answers or {"/image": make_answer()}) as internet:
            fetcher = Fetcher(rules, 1000, resolve_to(*addresses), internet)
            try:
                return await fetcher.fetch(url, ignore), internet
            except ProblemError as error:
                return error, internet

    return asyncio.run(scenario())


def refuse(
    url: str,
    said: str,
    answers: dict[str, bytes] | None = None,
    addresses: tuple[str, ...] = (PUBLIC,) * 5,
    rules: HostRules = ALL,
) -> Internet:
    """Fetch a URL, which must be refused with `said` and no details of its network."""
    error, internet = fetch(url, answers, addresses, rules)
    assert isinstance(error, InvalidRequestError), error
    assert said in str(error)
    assert "127.0.0.1" not in str(error)
    return internet


def test_an_image_is_fetched() -> None:
    """From the address that its host has, with no header about the client."""
    data, internet = fetch("http://cdn.example/image")
    assert data == IMAGE
    assert internet.connected == [PUBLIC]
    (head,) = internet.asked
    names = {line.split(":")[0].lower() for line in head.splitlines()[1:] if line}
    assert names == {"host", "user-agent", "accept", "accept-encoding"}
    assert "Host: cdn.example\r\n" in head


def test_the_next_address_is_asked_where_one_does_not_answer() -> None:
    """As a browser does."""
    data, internet = fetch("http://cdn.example/image", addresses=(f"8.8.4.4 {PUBLIC}",))
    assert (data, internet.connected) == (IMAGE, ["8.8.4.4", PUBLIC])


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://cdn.example/image",
        "gopher://cdn.example/",
        "data:image/png;base64,AAAA",
        "//cdn.example/image",
        "/image",
        "image",
        "",
        "http://",
        "http:///image",
        "javascript:alert(1)",
    ],
)
def test_other_schemes_are_not_asked(url: str) -> None:
    """And nor is what is no whole URL."""
    internet = refuse(url, "http")
    assert internet.connected == []


@pytest.mark.parametrize("url", ["http://ann:secret@cdn.example/", "http://ann@cdn.example/"])
def test_credentials_are_refused(url: str) -> None:
    """And not repeated."""
    assert refuse(url, "name and password").connected == []


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://cdn.example:port/",
        "http://\x00/",
        "http://" + "a" * 70_000,
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    """Whatever is wrong with it."""
    assert refuse(url, "body url:").connected == []


INSIDE: Final = (
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",  # noqa: S104 - it must be refused
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "192.88.99.1",
    "3fff::1",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fc00::1",
    "fe80::1%eth0",
    "ff02::1",
    "fec0::1",
)
"""Addresses that are not public, or carry one that is not."""


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_not_public_is_not_asked(address: str) -> None:
    """Whether a name leads there, or one of the addresses of a name."""
    assert not is_public(address)
    for addresses in (address, f"{PUBLIC} {address}", f"{address} {PUBLIC}"):
        internet = refuse("http://cdn.example/image", "public", addresses=(addresses,))
        assert internet.connected == []


@pytest.mark.parametrize(
    "address", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"]
)
def test_a_public_address_is_asked(address: str) -> None:
    """Of either family, and through NAT64."""
    assert is_public(address)
    assert fetch("http://cdn.example/image", addresses=(address,))[0] == IMAGE


NEAR: Final = (
    PUBLIC,
    "::ffff:93.184.215.14",
    "64:ff9b::5db8:d70e",
    "2002:5db8:d70e::1",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "2606:2800:21f:cb07::1",
)
"""Public addresses of two networks, in several spellings."""

NETWORKS: Final = (ip_network("93.184.215.0/24"), ip_network("2606:2800:21f:cb07::/64"))


@pytest.mark.parametrize("address", NEAR)
def test_an_address_that_is_denied_is_not_asked(address: str) -> None:
    """Whatever name leads there, beside another address, or after a redirect."""
    assert is_public(address)
    rules = HostRules(("*",), networks=NETWORKS)
    for addresses in (address, f"8.8.8.8 {address}", f"{address} 8.8.8.8"):
        said = "does not fetch from"
        internet = refuse("http://cdn.example/image", said, addresses=(addresses,), rules=rules)
        assert internet.connected == []
    moved = {"/a": make_answer(302, b"", "Location: http://other.example/image")}
    internet = refuse("http://cdn.example/a", said, moved, ("8.8.8.8", address), rules)
    assert internet.connected == ["8.8.8.8"]
    assert fetch("http://cdn.example/image", addresses=("8.8.8.8",), rules=rules)[0] == IMAGE


@pytest.mark.parametrize("host", ["93.184.215.14", "0x5db8d70e", "1572394766", "93.12113678"])
async def test_a_denied_address_is_not_asked_however_it_is_spelled(host: str) -> None:
    """As a literal host too; what the system's resolver makes of it is looked at."""
    rules = HostRules(("*",), networks=NETWORKS)
    async with open_internet({}) as internet:
        with pytest.raises(InvalidRequestError, match="does not fetch from"):
            await Fetcher(rules, 1000, Resolver(1), internet).fetch(f"http://{host}/", ignore)
        assert internet.connected == []


@pytest.mark.parametrize(
    ("address", "is_own"), [*((one, True) for one in NEAR[:-1]), (NEAR[-1], False)]
)
async def test_this_machines_public_address_is_not_asked(address: str, *, is_own: bool) -> None:
    """It leads inside as 127.0.0.1 does: to what listens on every interface; a neighbour's not."""
    own = [ip_network(PUBLIC), ip_network("2606:2800:21f:cb07:6820:80da:af6b:8b2c")]
    async with open_internet({"/image": make_answer()}) as internet:
        fetcher = Fetcher(ALL, 1000, resolve_to(address), internet, lambda: own)
        refusal = pytest.raises(InvalidRequestError, match="public")
        with refusal if is_own else nullcontext():
            assert await fetcher.fetch("http://cdn.example/image", ignore) == IMAGE


def test_this_machine_knows_its_own_addresses() -> None:
    """All of its interfaces' and those that it speaks to others from, and no others."""
    own = list_own()
    assert is_within("127.0.0.1", own)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect((PUBLIC, 80))  # sends nothing
        assert is_within(probe.getsockname()[0], own)
    assert not is_within(PUBLIC, own)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "localhost",
        "127.0.0.1.",
        "①②⑦.0.0.1",
    ],
)
def test_loopback_is_not_asked_however_it_is_spelled(host: str) -> None:
    """The system's own resolver reads decimal and octal addresses; what it says is looked at."""

    async def scenario() -> tuple[str, list[str]]:
        async with open_internet({"/image": make_answer()}) as internet:
            fetcher = Fetcher(ALL, 1000, Resolver(1), internet)
            with pytest.raises(InvalidRequestError) as raised:
                await fetcher.fetch(f"http://{host}/image", ignore)
            return str(raised.value), internet.connected

    message, connected = asyncio.run(scenario())
    assert message.startswith("body url:")
    assert connected == []


def test_a_name_that_changes_its_address_gains_nothing() -> None:
    """It is resolved once for a connection, which goes to the address that was looked at."""
    data, internet = fetch("http://cdn.example/image", addresses=(PUBLIC, "127.0.0.1"))
    assert (data, internet.connected) == (IMAGE, [PUBLIC])
    moved = {"/a": make_answer(302, b"", "Location: /image"), "/image": make_answer()}
    internet = refuse("http://cdn.example/a", "public", answers=moved, addresses=(PUBLIC, "::1"))
    assert internet.connected == [PUBLIC]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://127.0.0.1/", "public"),
        ("http://169.254.169.254/latest/meta-data", "public"),
        ("file:///etc/passwd", "http"),
        ("http://ann:secret@cdn.example/", "name and password"),
        ("http://other.example/", "does not fetch from"),
        ("http://cdn.example:port/", "not a URL"),
    ],
)
def test_a_redirect_is_looked_at_as_the_first_url(location: str, said: str) -> None:
    """The host that was allowed cannot send the service elsewhere."""
    rules = HostRules(("cdn.example", "127.0.0.1", "169.254.169.254"))
    addresses = (PUBLIC, "127.0.0.1")
    answers = {"/image": make_answer(302, b"", f"Location: {location}")}
    internet = refuse(
        "http://cdn.example/image", said, answers=answers, addresses=addresses, rules=rules
    )
    assert internet.connected == [PUBLIC]


@pytest.mark.parametrize(("redirects", "is_fetched"), [(1, True), (3, True), (4, False)])
def test_redirects_are_followed_three_times(redirects: int, *, is_fetched: bool) -> None:
    """And no farther."""
    answers = {
        f"/{step}": make_answer(307, b"", f"Location: http://cdn.example/{step + 1}")
        for step in range(redirects)
    } | {f"/{redirects}": make_answer()}
    given, internet = fetch("http://cdn.example/0", answers)
    assert (given == IMAGE) is is_fetched
    assert is_fetched or "more than 3 times" in str(given)
    assert len(internet.asked) == min(redirects, 3) + 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (make_answer(404), "status 404"),
        (make_answer(500), "status 500"),
        (make_answer(204, b""), "status 204"),
        (make_answer(302, b""), "redirects to nowhere"),
        (b"what?\r\n\r\n", "does not answer"),
        (b"", "does not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf", "does not answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000, "does not answer"),
    ],
)
def test_an_answer_without_an_image_is_refused(answer: bytes, said: str) -> None:
    """It says what came instead."""
    refuse("http://cdn.example/image", said, answers={"/image": answer})


@pytest.mark.parametrize(
    "answer",
    [
        make_answer(200, bytes(1001)),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1f4\r\n" + bytes(500) + b"\r\n" * 1 + (b"1f4\r\n" + bytes(500) + b"\r\n") * 9,
    ],
    ids=["announced", "chunked"],
)
def test_more_bytes_than_an_image_may_have_are_not_read(answer: bytes) -> None:
    """Whether they are announced or not."""
    error, _ = fetch("http://cdn.example/image", {"/image": answer})
    assert isinstance(error, PayloadTooLargeError)
    assert fetch("http://cdn.example/image", {"/image": make_answer(200, bytes(1000))})[0] == bytes(
        1000
    )


async def test_what_is_fetched_takes_its_room_as_it_comes() -> None:
    """No more is read of it when there is none, whatever the host goes on to send."""
    held = 0

    def hold(count: int) -> None:
        nonlocal held
        held += count
        if held > 600:
            raise OverloadedError("full")

    body = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + bytes(700)
    async with open_internet({"/slow": body}) as internet:
        fetcher = Fetcher(ALL, 1000, resolve_to(PUBLIC), internet)
        with pytest.raises(OverloadedError, match="full"):
            await fetcher.fetch("http://cdn.example/slow", hold)
    assert 600 < held <= 700


def test_a_slow_host_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that sends nothing more is given up after the timeout."""
    monkeypatch.setattr(fetcher_module, "FETCH_TIMEOUT_S", 0.2)
    answers = {"/slow": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf"}
    refuse("http://cdn.example/slow", "within 0 s", answers=answers)


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example:8080/",
        "http://cdn.example:99999/",
        "http://cdn.example:" + "9" * 30 + "/",
        "http://cdn.example:22/",
        "https://cdn.example:0/",
    ],
)
def test_other_ports_are_not_asked(url: str) -> None:
    """A browser's own alone."""
    assert refuse(url, "body url:").connected == []


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example", "." * 9, "xn--", "-"])
async def test_a_name_that_is_none_is_refused(host: str) -> None:
    """Whatever the system's resolver makes of it."""
    async with open_internet({}) as internet:
        with pytest.raises(InvalidRequestError, match="body url"):
            await Fetcher(ALL, 1000, Resolver(1), internet).fetch(f"http://{host}/", ignore)
        assert internet.connected == []


@pytest.mark.parametrize(
    "url", ["http://m\u00fcnchen.example/image", "http://xn--mnchen-3ya.example/image"]
)
def test_a_name_is_matched_as_dns_has_it(url: str) -> None:
    """In letters of other alphabets or not."""
    name = "xn--mnchen-3ya.example"
    assert fetch(url, rules=HostRules((name,)))[0] == IMAGE
    refuse(url, "does not fetch from", rules=HostRules(("*",), (name,)))


async def test_a_host_that_is_not_found_is_refused() -> None:
    """The resolver's message is not shown."""

    async def resolve(_host: str, _port: int) -> list[str]:
        raise OSError("[Errno -2] Name or service not known")

    with pytest.raises(InvalidRequestError) as raised:
        await Fetcher(ALL, 1000, resolve).fetch("http://cdn.example/", ignore)
    assert str(raised.value) == "body url: could not be fetched: its host does not answer."


async def test_a_few_are_fetched_at_once() -> None:
    """The others wait."""
    async with open_internet({"/slow": b""}) as internet:
        fetcher = Fetcher(ALL, 1000, resolve_to(*(PUBLIC,) * 20), internet)
        fetches = [
            asyncio.create_task(fetcher.fetch("http://a.example/slow", ignore)) for _ in range(20)
        ]
        await asyncio.sleep(0.3)
        begun = len(internet.connected)
        for task in fetches:
            task.cancel()
        await asyncio.wait(fetches)
    assert begun == FETCHES
