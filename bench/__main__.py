"""Run ``python -m bench``: Vitrine and LitServe in turn, the same load on both, one comparison.

Owns the order of things. Needs wrk; makes LitServe's venv. The last line of stdout is one JSON
document; the exit status is 1 when Vitrine gave an error or left a process behind.
"""

import argparse
import shutil
import sys
from datetime import UTC, datetime

from bench.images import Picture, draw_photograph, read_sample
from bench.lifecycle import run_server
from bench.load import drive_all
from bench.machine import describe_machine, read_steal
from bench.processes import measure_memory
from bench.report import (
    Document,
    Turn,
    compare_cells,
    print_servers,
    print_table,
    save,
    summarize_server,
)
from bench.servers import (
    ROOT,
    BenchError,
    Server,
    classify,
    install_litserve,
    make_litserve,
    make_vitrine,
)

SAMPLES = ROOT / "app" / "demo" / "samples"
NO_WRK = "wrk is missing: install it with `sudo apt-get install wrk`"


def take_turn(number: int, server: Server, pictures: tuple[Picture, ...], seconds: int) -> Turn:
    """Start one server, put every load on it, read its memory and stop it."""
    print(f"round {number}: {server.name}", file=sys.stderr)
    with run_server(server, pictures[0]) as running:
        answers = {picture.name: classify(server, picture) for picture in pictures}
        results = drive_all(server.url, pictures, seconds)
        memory = measure_memory(running.pid)
    return Turn(number, running, results, memory, answers)


def check_answers(turns: list[Turn]) -> None:
    """Refuse to compare servers that name different labels for the same picture."""
    for turn in turns[1:]:
        for picture, (label, score) in turn.answers.items():
            expected, expected_score = turns[0].answers[picture]
            if label != expected:
                first = f"{turns[0].name} says {expected} ({expected_score:.4f})"
                raise BenchError(f"{picture}: {first}, {turn.name} says {label} ({score:.4f})")


def take_turns(servers: tuple[Server, Server], rounds: int, seconds: int) -> list[Turn]:
    """Return all turns; every other round begins with the other server."""
    pictures = (read_sample(SAMPLES), draw_photograph())
    turns: list[Turn] = []
    for number in range(1, rounds + 1):
        for server in servers if number % 2 else reversed(servers):
            turns.append(take_turn(number, server, pictures, seconds))
            check_answers(turns)
    return turns


def compare(servers: tuple[Server, Server], rounds: int, seconds: int) -> Document:
    """Run the whole comparison, print the tables and return the document."""
    started, machine, stolen = datetime.now(UTC), describe_machine(), read_steal()
    names = (servers[0].name, servers[1].name)
    turns = take_turns(servers, rounds, seconds)
    gone = [now - before for now, before in zip(read_steal(), stolen, strict=True)]
    cells = compare_cells(turns, names)
    facts = {name: summarize_server([t for t in turns if t.name == name]) for name in names}
    print_table(cells, names)
    print_servers(facts)
    return {
        "benchmark": "compare",
        "started": started.isoformat(timespec="seconds"),
        "minutes": round((datetime.now(UTC) - started).total_seconds() / 60, 1),
        "rounds": rounds,
        "seconds": seconds,
        "machine": machine | {"steal_percent": round(100 * gone[0] / max(gone[1], 1), 1)},
        "cells": cells,
        "servers": facts,
    }


def make_opponent(name: str) -> Server:
    """Return the server to compare with; LitServe is installed where it is missing."""
    if name == "silent":
        return make_vitrine("silent", VITRINE_LOG_LEVEL="warning")
    install_litserve()
    return make_litserve()


def is_clean(document: Document, name: str) -> bool:
    """Say whether the server gave no error and left no process in any round."""
    errors = sum(cell[name]["errors"] for cell in document["cells"])
    left = sum(start["left"] for start in document["servers"][name]["starts"])
    return not errors and not left


def parse_arguments() -> argparse.Namespace:
    """Return how many rounds of how many seconds."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each cell")
    parser.add_argument(
        "--against",
        choices=("litserve", "silent"),
        default="litserve",
        help="LitServe, or Vitrine without its log line for each request",
    )
    parser.add_argument("--quick", action="store_true", help="one round of 2 s a cell")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 2
    return arguments


def run() -> int:
    """Run the benchmark and return its exit status."""
    arguments = parse_arguments()
    if shutil.which("wrk") is None:
        print(NO_WRK, file=sys.stderr)
        return 2
    try:
        servers = (make_vitrine(), make_opponent(arguments.against))
        document = compare(servers, arguments.rounds, arguments.seconds)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    save(document, quick=arguments.quick)
    return 0 if is_clean(document, "vitrine") else 1


if __name__ == "__main__":
    sys.exit(run())
