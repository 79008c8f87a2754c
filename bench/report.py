"""From rounds to one table for people and one JSON document for programs.

Knows no process and no wire. The first server of a run is the subject, the second the opponent.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench.lifecycle import Running
from bench.load import Result
from bench.processes import Memory

RESULTS = Path(__file__).with_name("results")
RATE = "requests_per_s"
MEASURES = (RATE, "p50_ms", "p99_ms")
HEAD = f"{'req/s':>8} {'(min-max)':>13} {'p50 ms':>8} {'p99 ms':>8} {'err':>4}"
INGRESS = ("ServeReplica", "Ingress")
CLASSIFIER = ("ServeReplica", "Classifier")

Cell = tuple[str, int]
Document = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One server in one round: its start and end, its results and the memory after the load."""

    round: int
    running: Running
    results: list[Result]
    memory: list[Memory]
    answers: dict[str, tuple[str, float]]

    @property
    def name(self) -> str:
        """Return the name of the server."""
        return self.running.server.name


def summarize_cell(results: list[Result]) -> Document:
    """Return the median over rounds, the spread and all errors of one server in one cell."""
    seen = {name: [getattr(result, name) for result in results] for name in MEASURES}
    medians = {name: round(median(values), 2) for name, values in seen.items()}
    rates = seen[RATE]
    errors = sum(result.errors for result in results)
    return {**medians, "spread": [min(rates), max(rates)], "errors": errors, "rounds": rates}


def pick_results(turns: Iterable[Turn], name: str, cell: Cell) -> list[Result]:
    """Return what one server did in one cell, in the order of the rounds."""
    results = [result for turn in turns if turn.name == name for result in turn.results]
    return [result for result in results if (result.image, result.concurrency) == cell]


def divide_rates(one: Result, other: Result) -> float:
    """Return how many times the requests/s of the other the one did; 0 when the other did none."""
    return one.requests_per_s / other.requests_per_s if other.requests_per_s else 0.0


def compare_cell(turns: list[Turn], names: tuple[str, str], cell: Cell) -> Document:
    """Return one row: both servers, and the ratio of their requests/s with its spread."""
    mine, theirs = (pick_results(turns, name, cell) for name in names)
    sides = [summarize_cell(results) for results in (mine, theirs)]
    ratios = [divide_rates(*pair) for pair in zip(mine, theirs, strict=True)]
    return {
        "image": cell[0],
        "concurrency": cell[1],
        names[0]: sides[0],
        names[1]: sides[1],
        "ratio": round(sides[0][RATE] / sides[1][RATE], 2) if sides[1][RATE] else 0.0,
        "ratio_spread": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def compare_cells(turns: list[Turn], names: tuple[str, str]) -> list[Document]:
    """Return a row for each image and concurrency, in the order they were measured."""
    cells = dict.fromkeys((r.image, r.concurrency) for turn in turns for r in turn.results)
    return [compare_cell(turns, names, cell) for cell in cells]


def find_resident(turns: list[Turn], words: tuple[str, ...]) -> float | None:
    """Return the most MB that a process with these words in its title held, in any round."""
    sizes = [m.rss_mb for turn in turns for m in turn.memory if all(w in m.title for w in words)]
    return max(sizes, default=None)


def summarize_server(turns: list[Turn]) -> Document:
    """Return the starts, the ends and the memory of one server over all rounds."""
    starts = [turn.running for turn in turns]
    return {
        "first_answer_s": round(median(start.first_answer_s for start in starts), 2),
        "starts": [
            {"health_s": round(start.health_s, 2), "first_answer_s": round(start.first_answer_s, 2)}
            | {"stop_s": round(start.stop_s, 2), "left": start.left, "log": start.start_log}
            for start in starts
        ],
        "ingress_rss_mb": find_resident(turns, INGRESS),
        "classifier_rss_mb": find_resident(turns, CLASSIFIER),
        "total_pss_mb": round(sum(memory.pss_mb for memory in turns[-1].memory), 1),
        "memory": [asdict(memory) for memory in turns[-1].memory],
        "answers": turns[0].answers,
    }


def format_side(side: Document) -> str:
    """Return one server's columns of a row."""
    spread = "{:.0f}-{:.0f}".format(*side["spread"])
    rate, p50, p99 = (side[name] for name in MEASURES)
    return f"{rate:8.1f} {spread:>13} {p50:8.1f} {p99:8.1f} {side['errors']:4d}"


def print_table(rows: list[Document], names: tuple[str, str]) -> None:
    """Print the rows: image, concurrency, both servers, ratio."""
    width = len(HEAD)
    print(f"\n{'':>18} | {names[0]:^{width}} | {names[1]:^{width}} |")
    print(f"{'image':<13} {'conc':>4} | {HEAD} | {HEAD} | ratio (min-max)")
    for row in rows:
        sides = " | ".join(format_side(row[name]) for name in names)
        spread = "{:.2f}-{:.2f}".format(*row["ratio_spread"])
        cell = f"{row['image']:<13} {row['concurrency']:>4}"
        print(f"{cell} | {sides} | {row['ratio']:5.2f} ({spread})")


def print_servers(servers: dict[str, Document]) -> None:
    """Print the start, the end and the memory of each server."""
    for name, facts in servers.items():
        stops = ", ".join(f"{start['stop_s']:.1f}" for start in facts["starts"])
        print(
            f"\n{name}: first 200 after {facts['first_answer_s']:.1f} s, ended in {stops} s, "
            f"memory {facts['total_pss_mb']:.0f} MB in all"
        )
        for line in facts["starts"][0]["log"]:
            print(f"  {line}")
        for memory in facts["memory"]:
            print(f"  {memory['rss_mb']:8.1f} MB resident  {memory['title']}")


def save(document: Document, *, quick: bool) -> None:
    """Keep the document of a comparison under the opponent's name."""
    keep(document, list(document["servers"])[1], quick=quick)


def keep(document: Document, subject: str, *, quick: bool) -> None:
    """Keep a document in bench/results and print it as the last line."""
    RESULTS.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y-%m-%d}-{subject}{'-quick' if quick else ''}.json"
    (RESULTS / name).write_text(json.dumps(document, indent=1) + "\n")
    print(f"\nkept in bench/results/{name}")
    print(json.dumps(document))
