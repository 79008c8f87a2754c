"""Run ``python -m bench``: Vitrine and its peers in turn, the same loads on all, one comparison.

Needs wrk and matplotlib; makes LitServe's venv. The last line of stdout is one JSON object; the
exit status is 1 when Vitrine gave an error or left a process behind.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain

import psutil

from bench.compare.loads import WARM_UP, Result, drive_counted, drive_open, drive_wrk
from bench.compare.options import Options, choose_connections, narrow, parse_options
from bench.compare.peers import LITSERVE_PINS, make_fastapi, make_litserve
from bench.compare.report import draw_record, print_record
from bench.compare.summary import (
    ServerRun,
    check_answers,
    compare_cells,
    find_capacity,
    summarize_open,
    summarize_servers,
)
from bench.kit.images import Picture, make_picture
from bench.kit.models import Checkpoint, find_checkpoint, find_folder, find_int8
from bench.kit.results import BenchError, Record, save, start_record
from bench.kit.servers import Running, Server, classify, make_vitrine, measure_memory, run_server
from bench.kit.tools import check_tool
from tests.support.service import ROOT, make_environment

SHARES = (0.5, 0.8)
OPEN_MODEL, OPEN_IMAGES, OPEN_ROUNDS = "digits", ("png", "jpeg"), 3
LARGE_BYTES = 1_000_000
"""An image from this size on is slow whatever the model is."""

Drive = Callable[[Running], Result]


def make_servers(options: Options, checkpoint: Checkpoint) -> list[Server]:
    """Return the servers of one model, the subject first."""

    def vary(settings: Mapping[str, str]) -> list[Server]:
        return [make_vitrine(checkpoint.folder, settings)]

    makers = {
        "vitrine": lambda: vary({}),
        "litserve": lambda: make_litserve(checkpoint),
        "fastapi": lambda: [make_fastapi(checkpoint)],
        "scaled": lambda: vary({"VITRINE_DECODE": "scaled"}),
        "int8": lambda: vary({"VITRINE_MODEL": str(find_int8(checkpoint))}),
    }
    groups = [*(makers[name]() for name in options.servers), *map(vary, options.setting)]
    return list(chain.from_iterable(groups))


def alternate(servers: list[Server], rounds: int) -> Iterator[tuple[int, Server]]:
    """Yield every server in every round; each round begins with the next one."""
    for number in range(rounds):
        first = number % len(servers)
        yield from ((number + 1, server) for server in servers[first:] + servers[:first])


def list_closed(checkpoint: Checkpoint, options: Options) -> Iterator[Drive]:
    """Yield the closed loops of one model, each driven in the way that its speed asks for."""
    for image in options.images:
        picture = make_picture(image)
        is_fast = checkpoint.is_small and len(picture.content) < LARGE_BYTES
        for count in choose_connections(options, image):
            load = {"picture": picture, "connections": count, "seconds": options.seconds}
            yield partial(drive_wrk if is_fast else drive_counted, **load)


def list_open(cells: list[Record], options: Options) -> Iterator[Drive]:
    """Yield the open loops: shares of what the slower of the servers can."""
    mine = [cell for cell in cells if cell["model"] == OPEN_MODEL]
    for picture in (make_picture(name) for name in OPEN_IMAGES if name in options.images):
        capacity = find_capacity(mine, picture.name, options.servers)
        for share in SHARES:
            yield partial(
                drive_open,
                picture=picture,
                share=share,
                rate=share * capacity,
                seconds=options.open_seconds,
            )


def measure_server(
    server: Server, model: str, pictures: list[Picture], drives: list[Drive]
) -> ServerRun:
    """Start one server, put every load on it, read its memory and stop it."""
    results = []
    with run_server(server, pictures[0]) as running:
        answers = {picture.name: classify(server, picture) for picture in pictures}
        drive_counted(running, pictures[0], *WARM_UP, min_requests=0)
        for drive in drives:
            results.append(drive(running))
            print(f"  {results[-1]}", file=sys.stderr)
        memory = measure_memory(running.service)
    return ServerRun(model, running, results, memory, answers)


def measure_servers(
    servers: list[Server], model: str, pictures: list[Picture], drives: list[Drive], rounds: int
) -> list[ServerRun]:
    """Return all runs of one model, the subject's first; their answers must be the same."""
    runs: list[ServerRun] = []
    for number, server in alternate(servers, rounds):
        print(f"{model}, round {number}: {server.name}", file=sys.stderr)
        runs.append(measure_server(server, model, pictures, drives))
        check_answers(runs)
    order = [server.name for server in servers]
    return sorted(runs, key=lambda run: order.index(run.name))


def measure_limits(checkpoint: Checkpoint, options: Options) -> Record:
    """Return what ``bench.compare.limits`` measures, in a process of its own."""
    print(f"{checkpoint.name}: limits", file=sys.stderr)
    module = (sys.executable, "-m", "bench.compare.limits")
    command = (*module, str(checkpoint.folder), *options.images)
    done = subprocess.run(
        command, cwd=ROOT, env=make_environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_open(cells: list[Record], options: Options) -> list[Record]:
    """Return the open loop: the first two servers that are named, with the small model."""
    if not options.open_seconds or OPEN_MODEL not in options.models:
        return []
    options = narrow(options, OPEN_MODEL)
    options.servers, options.setting = options.servers[:2], []
    servers = make_servers(options, find_checkpoint(OPEN_MODEL))
    drives = list(list_open(cells, options))
    pictures = [make_picture(name) for name in OPEN_IMAGES if name in options.images]
    rounds = min(options.rounds, OPEN_ROUNDS) if drives else 0
    return summarize_open(measure_servers(servers, OPEN_MODEL, pictures, drives, rounds))


def measure(options: Options) -> Record:
    """Run everything and return the record."""
    begun = time.monotonic()
    psutil.cpu_times_percent()  # the next call counts from here
    record = start_record("matrix") | {"litserve": LITSERVE_PINS.read_text().split()}
    keys = ("rounds", "seconds", "open_seconds")
    record |= {key: getattr(options, key) for key in keys}
    record |= {"image_bytes": {}, "cells": [], "limits": {}, "servers": {}}
    named = [find_checkpoint(name) for name in options.models]
    for checkpoint in [*named, *map(find_folder, options.model)]:
        name, part = checkpoint.name, narrow(options, checkpoint.name)
        pictures = [make_picture(image) for image in part.images]
        servers, limits = make_servers(part, checkpoint), measure_limits(checkpoint, part)
        drives = list(list_closed(checkpoint, part))
        runs = measure_servers(servers, name, pictures, drives, options.rounds)
        record["cells"] += compare_cells(runs, limits)
        record["limits"][name], record["servers"][name] = limits, summarize_servers(runs)
        record["image_bytes"] |= {picture.name: len(picture.content) for picture in pictures}
    record["open"] = measure_open(record["cells"], options)
    record["machine"]["steal_percent"] = psutil.cpu_times_percent().steal
    record["minutes"] = round((time.monotonic() - begun) / 60, 1)
    return record


def is_clean(record: Record) -> bool:
    """Say whether Vitrine gave no error and left no process, with any settings."""
    groups = [row["servers"] for row in (*record["cells"], *record["open"])]
    groups += record["servers"].values()
    named = [pair for group in groups for pair in group.items()]
    ours = [side for name, side in named if name.startswith("vitrine")]
    left = [start["left"] for side in ours for start in side.get("starts", ())]
    return not any(side.get("errors") for side in ours) and not any(left)


def run() -> int:
    """Run the benchmark and return its exit status."""
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    try:
        check_tool("wrk")
        with tempfile.TemporaryDirectory(prefix="vitrine-cache-") as cache:
            os.environ["VITRINE_CACHE"] = cache  # filled when the limits are measured
            record = measure(options)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print_record(record)
    draw_record(record, options.name)
    save(record, options.name)
    return 0 if is_clean(record) else 1
