"""The soak's clients, against a server that answers whatever it is told to."""

import asyncio
from asyncio import StreamReader, StreamWriter
from dataclasses import replace

import pytest

from bench.soak.bodies import make_message
from bench.soak.clients import Answer, Client
from bench.soak.kinds import Manner, Request

BODY = b"0123456789"
REQUEST = Request(
    "any", make_message("POST /", body=BODY), frozenset({200}), Manner.KEEPS, pause_s=0.01
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def talk(answers: list[bytes], *requests: Request) -> tuple[list[Answer | None], int, bytes]:
    """Send requests to a server that gives one answer after another, and closes where one is empty.

    Returns:
        The answers, how many requests were sent again, and all that the server was sent.
    """
    received, left = bytearray(), iter(answers)

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        while data := await reader.read(65536):
            received.extend(data)
            if received.endswith(BODY):
                writer.write(answer := next(left))
                if not answer or b"close" in answer:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        client = Client(server.sockets[0].getsockname()[1])
        found = [await client.send(request) for request in requests]
        await client.close()
        await asyncio.sleep(0.05)
    return found, client.again, bytes(received)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (OK, Answer(200, b"ok", closes=False)),
        (b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", Answer(304, b"", closes=False)),
        (
            b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
            Answer(413, b"no", closes=True),
        ),
        (
            b"HTTP/1.0 400 Bad\r\nConnection: close\r\n\r\n<html>",
            Answer(400, b"<html>", closes=True),
        ),
    ],
)
def test_answers_are_read_to_their_end(sent: bytes, answer: Answer) -> None:
    """By their length, by their status, or by the end of their connection."""
    assert asyncio.run(talk([sent], REQUEST))[0] == [answer]


def test_a_kept_connection_that_was_closed_is_opened_anew() -> None:
    """The request is sent once more; what fails on a new connection is an error."""
    found, again, _ = asyncio.run(talk([OK, b"", OK], REQUEST, REQUEST))
    assert [answer and answer.status for answer in found] == [200, 200]
    assert again == 1
    with pytest.raises((ConnectionError, EOFError)):
        asyncio.run(talk([b""], REQUEST))


@pytest.mark.parametrize(
    ("manner", "sent"), [(Manner.LEAVES, BODY), (Manner.STOPS, BODY[:5]), (Manner.CRAWLS, BODY)]
)
def test_clients_behave_badly_as_told(manner: Manner, sent: bytes) -> None:
    """One leaves with all said, one with half of it, one says it slowly and hears the answer."""
    found, _, received = asyncio.run(talk([OK], replace(REQUEST, manner=manner)))
    assert received.endswith(b"\r\n\r\n" + sent)
    assert (found[0] is not None) == (manner is Manner.CRAWLS)
