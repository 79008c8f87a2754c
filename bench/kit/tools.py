"""Closed loops by wrk and h2load, for what is answered hundreds of times a second.

wrk corrects its latencies for coordinated omission. h2load speaks gRPC; it does not read a call's
status, which is in trailers, so answers are counted by their bytes.
"""

import json
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.kit.images import BOUNDARY, Picture
from bench.kit.results import BenchError

SCRIPT = Path(__file__).with_name("wrk.lua")
TIMEOUT = "60s"  # a queue of 64 large images is no error; wrk's own limit is 2 s
ERRORS = ("connect", "read", "write", "status", "timeout")
WARM_UP_S = 1
MIN_ANSWER_BYTES = 100
"""Of a good answer; an error of gRPC has none."""

PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client"}


def check_tool(name: str) -> None:
    """Refuse to begin without wrk or h2load."""
    if shutil.which(name) is None:
        message = f"{name} is missing: install it with `sudo apt-get install {PACKAGES[name]}`"
        raise BenchError(message)


def run_tool(body: bytes, *command: object) -> str:
    """Run a command, with ``BODY`` replaced by a file that holds the body; return its output."""
    with tempfile.NamedTemporaryFile(prefix="vitrine-bench-", suffix=".body") as file:
        file.write(body)
        file.flush()
        words = [file.name if word == "BODY" else str(word) for word in command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{words[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def run_wrk(url: str, picture: Picture, connections: int, seconds: int) -> dict[str, float]:
    """Return good answers, their rate, latencies, and errors of every kind together."""
    flags = ("-t1", f"-c{connections}", f"-d{seconds}", "--timeout", TIMEOUT, "--latency")
    script = ("-s", SCRIPT, f"{url}/predict", "--", "BODY", BOUNDARY)
    seen = json.loads(run_tool(picture.body(), "wrk", *flags, *script).splitlines()[-1])
    good = seen["requests"] - seen["status"]
    return {
        "good": good,
        "requests_per_s": round(good / seen["seconds"], 1),
        "p50_ms": seen["p50_ms"],
        "p99_ms": seen["p99_ms"],
        "errors": sum(seen[kind] for kind in ERRORS),
    }


@dataclass(frozen=True)
class Traffic:
    """What h2load sends: headers in the form that it takes, HTTP/1.1 in place of HTTP/2."""

    url: str
    headers: Sequence[str]
    body: bytes
    is_http1: bool = False


def frame(message: bytes) -> bytes:
    """Put a message into the frame of gRPC."""
    return b"\0" + struct.pack(">I", len(message)) + message


def run_h2load(traffic: Traffic, connections: int, seconds: int) -> float:
    """Keep so many connections busy; return good answers a second, all others are an error."""
    headers = [word for header in traffic.headers for word in ("-H", header)]
    times = (f"-D{seconds}", f"--warm-up-time={WARM_UP_S}")
    flags = (*["--h1"] * traffic.is_http1, "-m1", f"-c{connections}", *times, "-d", "BODY")
    output = run_tool(traffic.body, "h2load", *flags, *headers, traffic.url)
    found = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", output)
    data = re.search(r"\((\d+)\) data", output)
    good = int(found[1]) if found else 0
    if not good or not data or int(data[1]) < 0.95 * MIN_ANSWER_BYTES * good:  # some are cut
        raise BenchError(f"h2load saw answers that are not good:\n{output}")
    return good / seconds
