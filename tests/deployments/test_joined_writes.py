"""Answers of a real uvicorn leave in one piece, and are the same answers."""

import http.client
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from uvicorn.protocols.http import httptools_impl

from app.deployments.joined_writes import join_writes


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the server of this process sends, part by part; its client sends by `sendall`."""
    sent: list[bytes] = []
    send = socket.socket.send

    def note(connection: socket.socket, data: bytes) -> int:
        sent.append(bytes(data))
        return send(connection, data)

    monkeypatch.setattr(socket.socket, "send", note)
    return sent


def make_app() -> FastAPI:
    """An app with one route of each kind of answer."""
    app = FastAPI()

    @app.get("/whole")
    @app.head("/whole")
    @app.post("/whole")
    async def whole(request: Request) -> Response:
        return Response(b"whole" + await request.body())

    @app.get("/none")
    async def none() -> Response:
        return Response(status_code=204)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in (b"one", b"two"):
                yield piece

        return StreamingResponse(pieces())

    @app.get("/broken")
    async def broken() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            raise ValueError
            yield b""

        return StreamingResponse(pieces())

    return app


@contextmanager
def run_server() -> Iterator[int]:
    """Serve the app with uvicorn, which chooses its parser as under Serve; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(), loop="asyncio", log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def ask(connection: http.client.HTTPConnection, method: str, path: str) -> tuple[int, bytes]:
    """Ask over a connection that stays open; gives the status and the body."""
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read()


def test_answers_leave_in_one_piece(monkeypatch: pytest.MonkeyPatch, parts: list[bytes]) -> None:
    """An answer is one write; without a body, in several pieces or to HEAD it is still right."""
    monkeypatch.setattr(httptools_impl, "RequestResponseCycle", httptools_impl.RequestResponseCycle)
    join_writes()
    with run_server() as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        counts = {}
        answers = {}
        for method, path in (
            ("GET", "/whole"),
            ("HEAD", "/whole"),
            ("GET", "/none"),
            ("GET", "/stream"),
            ("GET", "/missing"),
        ):
            parts.clear()
            answers[method, path] = ask(connection, method, path)
            counts[method, path] = len(parts)
        parts.clear()
        connection.request("POST", "/whole", b"!", {"Expect": "100-continue"})
        expected = connection.getresponse()
        answers["POST", "/whole"] = expected.status, expected.read()
        counts["POST", "/whole"] = len(parts)
        connection.request("GET", "/broken")
        broken = connection.getresponse()
        assert broken.status == HTTPStatus.OK, "its head leaves, so that HAProxy does not retry"
        with pytest.raises(http.client.IncompleteRead), closing(broken):
            broken.read()
        connection.close()
    assert answers == {
        ("GET", "/whole"): (200, b"whole"),
        ("HEAD", "/whole"): (200, b""),
        ("GET", "/none"): (204, b""),
        ("GET", "/stream"): (200, b"onetwo"),
        ("GET", "/missing"): (404, b'{"detail":"Not Found"}'),
        ("POST", "/whole"): (200, b"whole!"),
    }
    assert counts["GET", "/whole"] == counts["GET", "/missing"] == counts["GET", "/none"] == 1
    assert counts["HEAD", "/whole"] == 1
    assert counts["GET", "/stream"] == 3, "the head leaves with the first piece"
    assert counts["POST", "/whole"] == 2, "100 Continue is not kept back"
