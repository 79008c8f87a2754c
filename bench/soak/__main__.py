"""Soak a service: ``make soak``, 100,000 mixed requests, and whether anything leaks.

One `vitrine serve` of its own gets good, bad, slow and broken requests. What its processes hold is
sampled all along, and at rest before and after. The last line of stdout is one JSON object, kept
in bench/results; the exit status is 1 where anything grew, was left, or was answered wrongly.
"""

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from app.limits import derive_limits
from app.settings import Settings
from bench.kit.images import make_picture
from bench.kit.models import BUNDLED
from bench.kit.results import DOCS, RESULTS, BenchError, Record, save, start_record
from bench.kit.servers import make_vitrine, run_server
from bench.soak.load import AnswerCounts, send_all
from bench.soak.report import describe_processes, draw_memory, list_growing, print_record
from bench.soak.requests import list_pictures
from bench.soak.slots import fill_slots, list_lost
from bench.soak.watch import Series, compare_rests, list_temp, take_rest, take_samples
from tests.support.raw_requests import read_queue
from tests.support.service import Service

REQUESTS = 100_000
SAMPLES = 200
ENDED = "a process that reads images has ended"
"""What the service logs when an image ends the process that reads it."""

REST_S = 90.0
"""HAProxy lets half of its idle connections to a replica go every 5 s: 250 took 55 s."""

SLOTS = 256
"""Images that are admitted, in place of a number that follows what is answered."""


def send_watched(service: Service, series: Series, numbers: range) -> AnswerCounts:
    """Send the requests of these numbers and sample the processes all along."""

    async def observe(done: int) -> None:
        await asyncio.to_thread(take_samples, service, series, done)

    take_samples(service, series, 0)
    return asyncio.run(send_all(service.port, numbers, max(1, len(numbers) // SAMPLES), observe))


def soak(service: Service, folder: Path, options: argparse.Namespace) -> Record:
    """Warm up, rest, send everything, rest again, and return what was found."""
    series: Series = defaultdict(list)
    numbers = range(options.warm_up + options.requests)
    chosen = Settings(max_queue=SLOTS, _env_file=None)  # type: ignore[call-arg] # of pydantic-settings
    limits = derive_limits(chosen)
    warm_up = send_watched(service, defaultdict(list), numbers[: options.warm_up])
    fill_slots(service.port, limits)
    time.sleep(options.rest)
    before, started = take_rest(service, folder), time.monotonic()
    sent = send_watched(service, series, numbers[options.warm_up :])
    record: Record = {"seconds": round(time.monotonic() - started, 1)}
    time.sleep(options.rest)
    after = take_rest(service, folder)
    record |= sent.as_dict() | {"processes": describe_processes(series)}
    record |= {"rest_before": before, "rest_after": after}
    record["queue"] = read_queue(service).model_dump()
    record["slots"] = fill_slots(service.port, limits)
    log = service.read_log()
    record |= {"readers_ended": log.count(ENDED), "tracebacks": log.count("Traceback")}
    record["failures"] = [
        *warm_up.wrong,
        *sent.wrong,
        *list_growing(record["processes"]),
        *compare_rests(before, after, record["queue"]),
        *list_lost(record["slots"]),
        *["tracebacks in the log"] * bool(record["tracebacks"]),
    ]
    print_record(record)
    return record


def run_soak(options: argparse.Namespace) -> Record:
    """Start a service, soak it, stop it, and return the record."""
    record = start_record("soak") | vars(options)
    make_picture("12mp"), list_pictures()  # once, before any client would wait for them
    folder = Path(tempfile.gettempdir(), f"s{secrets.token_hex(3)}")  # short for HAProxy's sockets
    folder.mkdir(mode=0o700)
    try:
        settings = {"TMPDIR": str(folder), "VITRINE_MAX_QUEUE": str(SLOTS)}
        server = make_vitrine(BUNDLED, settings)
        with run_server(server, make_picture("png")) as running:
            record |= soak(running.service, folder, options)
        left = list_temp(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    record["failures"] += [f"{running.left} processes left"] * bool(running.left)
    record["failures"] += [f"left among temporary files: {name}" for name in left]
    return record


def main() -> int:
    """Run the soak and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="how many are sent")
    parser.add_argument("--warm-up", type=int, default=5000, help="how many are sent before")
    parser.add_argument("--rest", type=float, default=REST_S, help="seconds before each count")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is stopped too
    try:
        record = run_soak(options)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    name = "soak" if options.requests >= REQUESTS else "soak-part"
    draw_memory(record, (DOCS if name == "soak" else RESULTS) / f"{name}.png")
    print("\nfailures:", *(record["failures"] or ["none"]), sep="\n  ")
    save(record, name)
    return 1 if record["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
