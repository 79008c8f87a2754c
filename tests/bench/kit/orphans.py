"""A server that answers everything, and on SIGTERM ends without the processes that it started.

One of those has left the session, one has an empty environment; both ignore SIGTERM and SIGINT.
"""

import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

STAY = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    sum(range(100_000))
    time.sleep(0.01)
"""


class Answer(BaseHTTPRequestHandler):
    """Answers every request with the same 200."""

    def do_GET(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    do_POST = do_GET  # noqa: N815 - the base's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Log nothing."""


def serve(port: int) -> None:
    """Start both processes and serve until a signal ends this one alone."""
    command = [sys.executable, "-c", STAY]
    subprocess.Popen(command, start_new_session=True)
    subprocess.Popen(command, env={})
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    HTTPServer(("127.0.0.1", port), Answer).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
