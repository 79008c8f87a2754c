"""From rounds to medians, spreads and ratios. Knows no process, no wire and no paper.

The first server of a run is the subject; a ratio is its requests/s over those of another.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.kit.lifecycle import Running
from bench.kit.openloop import OpenResult
from bench.kit.processes import Memory
from bench.kit.servers import Scores
from bench.kit.wrk import Result

RATE = "requests_per_s"
MEASURES = (RATE, "p50_ms", "p99_ms")
OPEN_MEASURES = ("p50_ms", "p99_ms", "late_p99_ms")
INGRESS = ("ServeReplica", "Ingress")
CLASSIFIER = ("ServeReplica", "Classifier")

Document = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One server with one model in one round: start and end, results, memory after the load."""

    model: str
    running: Running
    results: list[Result]
    memory: list[Memory]
    answers: dict[str, Scores]

    @property
    def name(self) -> str:
        """Return the name of the server."""
        return self.running.server.name


@dataclass(frozen=True)
class OpenTurn:
    """One server in one round of the open loop."""

    name: str
    results: list[OpenResult]


def summarize_cell(results: list[Result]) -> Document:
    """Return the median over rounds, the spread and all errors of one server in one cell."""
    seen = {name: [getattr(result, name) for result in results] for name in MEASURES}
    medians = {name: round(median(values), 2) for name, values in seen.items()}
    rates = seen[RATE]
    errors = sum(result.errors for result in results)
    return {**medians, "spread": [min(rates), max(rates)], "errors": errors, "rounds": rates}


def divide_rates(one: float, other: float) -> float:
    """Return how many times the requests/s of the other the one did; 0 when the other did none."""
    return round(one / other, 2) if other else 0.0


def compare_sides(subject: Document, other: Document) -> Document:
    """Return the ratio of the medians and the spread of the ratios of the rounds."""
    ratios = [divide_rates(*p) for p in zip(subject["rounds"], other["rounds"], strict=True)]
    ratio = divide_rates(subject[RATE], other[RATE])
    return {"ratio": ratio, "spread": [min(ratios), max(ratios)]}


def compare_cell(turns: list[Turn], image: str, concurrency: int) -> Document:
    """Return one cell of one model: every server, and the first over each other."""
    names = list(dict.fromkeys(turn.name for turn in turns))
    sides = {
        name: summarize_cell(
            [
                result
                for turn in turns
                for result in turn.results
                if (turn.name, result.image, result.concurrency) == (name, image, concurrency)
            ]
        )
        for name in names
    }
    subject, *others = names
    return {
        "model": turns[0].model,
        "image": image,
        "concurrency": concurrency,
        "servers": sides,
        "ratios": {name: compare_sides(sides[subject], sides[name]) for name in others},
    }


def compare_cells(turns: list[Turn]) -> list[Document]:
    """Return the cells of one model, in the order they were measured."""
    cells = dict.fromkeys((r.image, r.concurrency) for turn in turns for r in turn.results)
    return [compare_cell(turns, *cell) for cell in cells]


def add_limits(cells: list[Document], limits: Document) -> None:
    """Add to each cell the limit and what part of it each server reaches.

    The limit is the lower of the decoder on all cores and the model alone. With one connection a
    lone request is compared with one call of both: how many milliseconds the server adds.
    """
    for cell in cells:
        image = limits["images"][cell["image"]]
        limit = min(image["decoder_per_s"], limits["engine_per_s"])
        cell["limit_per_s"] = limit
        for side in cell["servers"].values():
            side["of_limit"] = round(side[RATE] / limit, 2)
            if cell["concurrency"] == 1:
                side["added_ms"] = round(side["p50_ms"] - image["raw_call_ms"], 2)


def find_capacity(cells: list[Document], image: str, names: Iterable[str]) -> float:
    """Return the requests/s of the slower of the servers at the most connections measured."""
    mine = [cell for cell in cells if cell["image"] == image]
    busiest = max(mine, key=lambda cell: int(cell["concurrency"]))
    return min(float(busiest["servers"][name][RATE]) for name in names)


def summarize_open(turns: list[OpenTurn]) -> list[Document]:
    """Return one row for each image and share: the medians of each server over the rounds."""
    rows: dict[tuple[str, float], Document] = {}
    for turn in turns:
        for result in turn.results:
            row = rows.setdefault(
                (result.image, result.share),
                {
                    "image": result.image,
                    "share": result.share,
                    "offered_per_s": result.offered_per_s,
                    "servers": {},
                },
            )
            row["servers"].setdefault(turn.name, []).append(result)
    for row in rows.values():
        row["servers"] = {name: summarize_paces(seen) for name, seen in row["servers"].items()}
    return list(rows.values())


def summarize_paces(results: list[OpenResult]) -> Document:
    """Return the medians over the rounds, the spread of the p99 and all errors."""
    medians = {
        name: round(median(getattr(result, name) for result in results), 2)
        for name in OPEN_MEASURES
    }
    p99 = [result.p99_ms for result in results]
    errors = sum(result.errors for result in results)
    return {**medians, "p99_spread": [min(p99), max(p99)], "errors": errors}


def find_resident(turns: list[Turn], words: tuple[str, ...]) -> float | None:
    """Return the most MB that a process with these words in its title held, in any round."""
    sizes = [m.rss_mb for turn in turns for m in turn.memory if all(w in m.title for w in words)]
    return max(sizes, default=None)


def summarize_server(turns: list[Turn]) -> Document:
    """Return the starts, the ends and the memory of one server with one model."""
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
