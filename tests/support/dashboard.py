"""A stand-in for the dashboard of a head node: the routes that a rollout asks, over loopback."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

VERSION, DETAILS, ACTORS = "/api/ray/version", "/api/serve/applications/", "/api/v0/actors"

Answers = dict[str, list[tuple[int, object]]]
"""By route: statuses and documents, one for each request; the last one is given again and again."""


@contextmanager
def start_dashboard(answers: Answers) -> Iterator[str]:
    """Start the stand-in; gives its URL."""
    given = {VERSION: [(200, {"ray_version": "2.60.0"})]} | answers

    class Handler(BaseHTTPRequestHandler):
        """Gives the answers in turn."""

        def do_GET(self) -> None:
            """Answer, as `BaseHTTPRequestHandler` names it."""
            left = given[urlsplit(self.path).path]
            status, document = left.pop(0) if len(left) > 1 else left[0]
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
