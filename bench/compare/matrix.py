"""The order of things: models, rounds, servers in turn, the same loads on each.

Owns what is measured after what. Knows neither paper nor command line words.
"""

import json
import subprocess
import sys
from collections.abc import Iterator

from bench.compare.answers import check_answers
from bench.compare.options import OPEN_IMAGES, OPEN_MODEL, SHARES, Options
from bench.compare.peers import make_fastapi, make_litserve
from bench.compare.summary import Document, OpenTurn, Turn, find_capacity
from bench.kit.closedloop import drive_counted, warm_up
from bench.kit.images import Picture, make_picture
from bench.kit.lifecycle import run_server
from bench.kit.models import Checkpoint, find_checkpoint, find_folder
from bench.kit.openloop import OpenResult, Pace, drive_open
from bench.kit.processes import measure_memory
from bench.kit.servers import ROOT, Server, classify, make_silent, make_vitrine, read_environment
from bench.kit.wrk import Load, Result, drive_warm

LARGE_BYTES = 1_000_000
"""An image from this size on is slow whatever the model is."""


def find_checkpoints(options: Options) -> list[Checkpoint]:
    """Return what is served, one after another; random weights are made where missing."""
    folders = [find_folder(folder) for folder in options.folders]
    return [*(find_checkpoint(name) for name in options.models), *folders]


def make_servers(options: Options, checkpoint: Checkpoint) -> list[Server]:
    """Return the servers of one model, the subject first."""
    makers = {
        "vitrine": lambda: make_vitrine(checkpoint.folder),
        "litserve": lambda: make_litserve(checkpoint),
        "fastapi": lambda: make_fastapi(checkpoint),
        "silent": lambda: make_silent(checkpoint.folder),
    }
    variants = [make_vitrine(checkpoint.folder, settings) for settings in options.variants]
    return [*(makers[name]() for name in options.servers), *variants]


def alternate(servers: list[Server], rounds: int) -> Iterator[tuple[int, Server]]:
    """Yield every server in every round; each round begins with the next one."""
    for number in range(rounds):
        first = number % len(servers)
        yield from ((number + 1, server) for server in servers[first:] + servers[:first])


def tell(result: Result | OpenResult) -> None:
    """Show what was just measured, so that a long run is no silence."""
    print(f"  {result}", file=sys.stderr)


def drive_cell(url: str, load: Load, *, is_small: bool) -> Result:
    """Measure one cell in the way that its speed asks for, whatever the server."""
    is_fast = is_small and len(load.picture.content) < LARGE_BYTES
    result = drive_warm(url, load) if is_fast else drive_counted(url, load)
    tell(result)
    return result


def take_turn(
    server: Server, checkpoint: Checkpoint, pictures: list[Picture], options: Options
) -> Turn:
    """Start one server, put every load on it, read its memory and stop it."""
    loads = [Load(p, count, options.seconds) for p in pictures for count in options.concurrencies]
    with run_server(server, pictures[0]) as running:
        answers = {picture.name: classify(server, picture) for picture in pictures}
        warm_up(server.url, pictures[0])
        results = [drive_cell(server.url, load, is_small=checkpoint.is_small) for load in loads]
        memory = measure_memory(running.pid)
    return Turn(checkpoint.name, running, results, memory, answers)


def measure_model(
    checkpoint: Checkpoint, pictures: list[Picture], options: Options
) -> tuple[list[Turn], dict[str, float]]:
    """Return all turns of one model, the subject's first, and how far answers lie apart."""
    servers = make_servers(options, checkpoint)
    turns: list[Turn] = []
    for number, server in alternate(servers, options.rounds):
        print(f"{checkpoint.name}, round {number}: {server.name}", file=sys.stderr)
        turns.append(take_turn(server, checkpoint, pictures, options))
        differences = check_answers(turns)
    order = [server.name for server in servers]
    return sorted(turns, key=lambda turn: order.index(turn.name)), differences


def measure_limits(checkpoint: Checkpoint, options: Options) -> Document:
    """Return what ``bench.compare.limits`` measures, in a process of its own."""
    print(f"{checkpoint.name}: limits", file=sys.stderr)
    command = (
        sys.executable,
        "-m",
        "bench.compare.limits",
        str(checkpoint.folder),
        *options.images,
    )
    done = subprocess.run(
        command, cwd=ROOT, env=read_environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def plan_paces(cells: list[Document], names: list[str], options: Options) -> list[Pace]:
    """Return the open loop's paces: shares of what the slower of the servers can."""
    images = [make_picture(name) for name in OPEN_IMAGES if name in options.images]
    mine = [cell for cell in cells if cell["model"] == OPEN_MODEL]
    return [
        Pace(picture, share, share * find_capacity(mine, picture.name, names), options.open_seconds)
        for picture in images
        for share in SHARES
    ]


def measure_open(cells: list[Document], options: Options) -> list[OpenTurn]:
    """Return all turns of the open loop: the first two servers, with the small model."""
    if not options.open_seconds or OPEN_MODEL not in options.models:
        return []
    servers = make_servers(options, find_checkpoint(OPEN_MODEL))[:2]
    paces = plan_paces(cells, [server.name for server in servers], options)
    turns: list[OpenTurn] = []
    for number, server in alternate(servers, options.rounds if paces else 0):
        print(f"open loop, round {number}: {server.name}", file=sys.stderr)
        with run_server(server, paces[0].picture):
            warm_up(server.url, paces[0].picture)
            turns.append(OpenTurn(server.name, [drive_open(server.url, pace) for pace in paces]))
            for result in turns[-1].results:
                tell(result)
    return turns
