"""Soak a service: ``make soak``, 100,000 mixed requests, and whether anything leaks.

One `vitrine serve` of its own gets good, bad, slow and broken requests. What its processes hold is
sampled all along, and at rest before and after. The last line of stdout is one JSON document, kept
in bench/results; the exit status is 1 where anything grew, was left, or was answered wrongly.
"""

import argparse
import asyncio
import contextlib
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from app.limits import Limits, derive_limits
from app.settings import Settings
from bench.compare.summary import Document
from bench.kit.images import make_picture
from bench.kit.lifecycle import Running, run_server
from bench.kit.machine import describe_machine
from bench.kit.models import find_checkpoint
from bench.kit.processes import read_text
from bench.kit.results import save
from bench.kit.servers import ROOT, BenchError, Server, make_vitrine
from bench.soak.bodies import draw_large, list_pictures
from bench.soak.figure import draw_memory
from bench.soak.load import Tally, send_all
from bench.soak.places import fill_places, list_lost
from bench.soak.report import (
    describe_processes,
    describe_tally,
    list_growing,
    print_answers,
    print_processes,
    print_rests,
    print_tasks,
)
from bench.soak.rest import (
    House,
    compare_rests,
    count_tasks,
    list_more,
    list_temp,
    take_rest,
    wait_for_rest,
)
from bench.soak.watch import Watch

REQUESTS = 100_000
SAMPLES = 200
ENDED = "a process that reads images has ended"
"""What the service logs when an image ends the process that reads it."""


def make_server(folder: Path) -> Server:
    """Return Vitrine as it comes; what it and Ray write goes to a folder of its own."""
    server = make_vitrine(find_checkpoint("digits").folder)
    places = {"TMPDIR": str(folder), "RAY_TMPDIR": str(folder)}
    return replace(server, env={**server.env, **places})


@contextlib.contextmanager
def make_folder() -> Iterator[Path]:
    """Make a folder whose name is short: HAProxy takes 97 characters for the path of a socket."""
    folder = Path(tempfile.gettempdir()) / f"s{secrets.token_hex(3)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def send_watched(running: Running, watch: Watch, numbers: range) -> Tally:
    """Send the requests of these numbers and sample the processes all along."""

    async def observe(done: int) -> None:
        await asyncio.to_thread(watch.take, done)

    watch.take(0)
    step = max(1, len(numbers) // SAMPLES)
    return asyncio.run(send_all(running.server.port, numbers, step, observe))


def soak(running: Running, house: House, limits: Limits, options: argparse.Namespace) -> Document:
    """Warm up, rest, send everything, rest again, and return what was found."""
    numbers = range(options.warm_up + options.requests)
    warm = send_watched(running, Watch(house.root), numbers[: options.warm_up])
    fill_places(running.server.port, limits)
    wait_for_rest()
    tasks = count_tasks(house)
    wait_for_rest()
    before, watch, started = take_rest(house), Watch(house.root), time.monotonic()
    tally = send_watched(running, watch, numbers[options.warm_up :])
    seconds = time.monotonic() - started
    wait_for_rest()
    after, tasks_after = take_rest(house), count_tasks(house)
    document = {"requests": options.requests, "seconds": round(seconds, 1)}
    document |= describe_tally(tally)
    document["processes"] = describe_processes(watch.series)
    document |= {"rest_before": before.as_dict(), "rest_after": after.as_dict()}
    document |= {"tasks_before": tasks, "tasks_after": tasks_after}
    document["places"] = fill_places(running.server.port, limits)
    log = read_text(Path(f"/proc/{house.root}/fd/1"))
    document |= {"readers_ended": log.count(ENDED), "tracebacks": log.count("Traceback")}
    document["failures"] = [
        *warm.wrong,
        *tally.wrong,
        *list_growing(document["processes"]),
        *compare_rests(before, after),
        *list_more(tasks, tasks_after),
        *list_lost(document["places"]),
        *["tracebacks in the log"] * bool(document["tracebacks"]),
    ]
    print_answers(document)
    print_processes(document["processes"])
    print_rests(before, after)
    print_tasks(tasks, tasks_after)
    return document


def run_soak(options: argparse.Namespace) -> Document:
    """Start a service, soak it, stop it, and return the document."""
    started, machine = datetime.now(UTC), describe_machine()
    limits = derive_limits(Settings(_env_file=None))
    draw_large(), list_pictures()  # once, before any client would wait for them
    with make_folder() as folder:
        server = make_server(folder)
        with run_server(server, make_picture("png")) as running:
            house = House(running.pid, folder)
            document = soak(running, house, limits, options)
        left = list_temp(folder)
    document["failures"] += [f"{running.left} processes left"] * bool(running.left)
    document["failures"] += [f"left among temporary files: {name}" for name in left]
    head = {"benchmark": "soak", "started": started.isoformat(timespec="seconds")}
    return head | {"machine": machine} | document


def main() -> int:
    """Run the soak and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="how many are sent")
    parser.add_argument("--warm-up", type=int, default=5000, help="how many are sent before")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is stopped too
    try:
        document = run_soak(options)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    name = "soak" if options.requests == REQUESTS else f"soak-{options.requests}"
    print(f"\ndrawn: {draw_memory(document, name).relative_to(ROOT)}")
    print("\nfailures:", *(document["failures"] or ["none"]), sep="\n  ")
    save(document, name)
    return 1 if document["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
