"""A closed loop: wrk with one prebuilt request, one connection count and one image at a time.

For loads that are answered hundreds of times a second; closedloop.py is for the others.
Knows an address, not a server. wrk corrects its latencies for coordinated omission.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.kit.images import BOUNDARY, Picture
from bench.kit.servers import BenchError, ask

SCRIPT = Path(__file__).with_name("wrk.lua")
CONCURRENCIES = (1, 16, 64)
CELL_WARM_UP_S = 1
TIMEOUT = "60s"  # a queue of 64 large images is no error; wrk's own limit is 2 s
ERRORS = ("connect", "read", "write", "status", "timeout")


@dataclass(frozen=True)
class Load:
    """One image, sent over so many connections at once for so many seconds."""

    picture: Picture
    concurrency: int
    seconds: int


@dataclass(frozen=True)
class Result:
    """What wrk saw of one load; latencies in milliseconds, errors of every kind together."""

    image: str
    concurrency: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    errors: int


def check_wrk() -> None:
    """Refuse to begin without wrk."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk is missing: install it with `sudo apt-get install wrk`")


@contextmanager
def write_body(picture: Picture) -> Iterator[Path]:
    """Write the multipart body of the picture to a file for wrk, for as long as it is needed."""
    with tempfile.NamedTemporaryFile(prefix="vitrine-bench-", suffix=".body") as file:
        file.write(picture.body())
        file.flush()
        yield Path(file.name)


def drive(url: str, load: Load) -> Result:
    """Put the load on ``url`` and return what wrk saw."""
    with write_body(load.picture) as body:
        times = (f"-d{load.seconds}", "--timeout", TIMEOUT, "--latency")
        flags = ("-t1", f"-c{load.concurrency}", *times, "-s", SCRIPT)
        command = ("wrk", *flags, f"{url}/predict", "--", body, BOUNDARY)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.rstrip().endswith("}"):
        raise BenchError(f"wrk failed: {done.stderr or done.stdout}")
    return read_result(load, json.loads(done.stdout.splitlines()[-1]))


def read_result(load: Load, seen: dict[str, float]) -> Result:
    """Return the result in the summary that wrk.lua prints; answers with errors do not count."""
    good = seen["requests"] - seen["status"]
    return Result(
        load.picture.name,
        load.concurrency,
        round(good / seen["seconds"], 1),
        seen["p50_ms"],
        seen["p99_ms"],
        int(sum(seen[kind] for kind in ERRORS)),
    )


def drive_warm(url: str, load: Load) -> Result:
    """Return what wrk saw after a warm-up, whose last requests are answered before it begins.

    wrk leaves when its time is up and servers still work on what it left, first come first
    served; one request of our own is answered after that.
    """
    drive(url, replace(load, seconds=CELL_WARM_UP_S))
    ask(f"{url}/predict", load.picture)
    result = drive(url, load)
    ask(f"{url}/predict", load.picture)
    return result
