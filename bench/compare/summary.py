"""From rounds to medians, spreads, and ratios of requests/s: the first server's over another's."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from bench.compare.loads import Result
from bench.kit.results import BenchError, Record
from bench.kit.servers import Running, Scores

RATE, P99 = "requests_per_s", "p99_ms"
MEASURES = (RATE, "p50_ms", P99)
OPEN_MEASURES = ("p50_ms", P99, "late_p99_ms")
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Turn:
    """One server with one model in one round: start and end, results, memory after the load."""

    model: str
    running: Running
    results: list[Result]
    memory: list[dict[str, str | float]]
    answers: dict[str, Scores]

    @property
    def name(self) -> str:
        """Return the name of the server."""
        return self.running.server.name


def check_answers(turns: list[Turn]) -> dict[str, float]:
    """Return the largest difference of a score of each server from the first, over all pictures.

    Compared are the labels that either names first; one that is not named is 1 apart. More than the
    tolerance is an error where the scores must be the same.
    """
    first, *others = turns
    worst: dict[str, float] = {}
    for turn in others:
        for picture, scores in turn.answers.items():
            one, other = first.answers[picture], scores
            leaders = {max(side, key=side.__getitem__) for side in (one, other)}
            named = one.keys() & other.keys()
            difference = max(abs(one[x] - other[x]) if x in named else 1.0 for x in leaders)
            worst[turn.name] = max(worst.get(turn.name, 0.0), difference)
            if turn.running.server.is_exact and difference > TOLERANCE:
                raise BenchError(
                    f"{turn.model}, {picture}: {first.name} says {first.answers[picture]}, "
                    f"{turn.name} says {scores}: they do not serve the same"
                )
    return worst


def summarize(
    turns: list[Turn], measures: tuple[str, ...], spread: str
) -> dict[tuple[str, float], dict[str, Record]]:
    """Return each server by image and load: medians, the spread of one measure, all errors."""
    groups: dict[tuple[str, float], dict[str, list[Result]]] = {}
    for turn in turns:
        for result in turn.results:
            sides = groups.setdefault((result.image, result.load), {})
            sides.setdefault(turn.name, []).append(result)

    def merge(rounds: list[Result]) -> Record:
        values = [getattr(result, spread) for result in rounds]
        found = {name: round(median(getattr(r, name) for r in rounds), 2) for name in measures}
        found |= {"spread": [min(values), max(values)], "rounds": values}
        return found | {"errors": sum(result.errors for result in rounds)}

    return {
        key: {name: merge(rounds) for name, rounds in sides.items()}
        for key, sides in groups.items()
    }


def compare_sides(subject: Record, other: Record) -> Record:
    """Return the ratio of the medians and the spread of the ratios; 0 when the other did none."""

    def divide(one: float, by: float) -> float:
        return round(one / by, 2) if by else 0.0

    ratios = list(map(divide, subject["rounds"], other["rounds"]))
    ratio = divide(subject[RATE], other[RATE])
    return {"ratio": ratio, "spread": [min(ratios), max(ratios)]}


def compare_cells(turns: list[Turn], limits: Record) -> list[Record]:
    """Return the cells of one model: every server, and the ratio of the first over each other."""
    cells = []
    for (image, connections), sides in summarize(turns, MEASURES, RATE).items():
        found = limits["images"][image]
        limit = min(found["decoder_per_s"], limits["engine_per_s"])
        for side in sides.values():
            side["of_limit"] = round(side[RATE] / limit, 2)
            if connections == 1:
                side["added_ms"] = round(side["p50_ms"] - found["raw_call_ms"], 2)
        subject, *others = sides
        cell = {"model": turns[0].model, "image": image, "concurrency": connections}
        cell |= {"limit_per_s": limit, "servers": sides}
        cell["ratios"] = {name: compare_sides(sides[subject], sides[name]) for name in others}
        cells.append(cell)
    return cells


def find_capacity(cells: list[Record], image: str, names: Iterable[str]) -> float:
    """Return the requests/s of the slower of the servers at the most connections measured."""
    mine = [cell for cell in cells if cell["image"] == image]
    busiest = max(mine, key=lambda cell: int(cell["concurrency"]))
    return min(float(busiest["servers"][name][RATE]) for name in names)


def summarize_open(turns: list[Turn]) -> list[Record]:
    """Return one row for each image and share: the medians of each server over the rounds."""
    offered = {(one.image, one.load): one.requests_per_s for t in turns for one in t.results}
    return [
        {"image": key[0], "share": key[1], "offered_per_s": offered[key], "servers": sides}
        for key, sides in summarize(turns, OPEN_MEASURES, P99).items()
    ]


def summarize_servers(turns: list[Turn]) -> Record:
    """Return the starts, the ends and the memory of each server with one model."""
    servers: dict[str, Record] = {}
    for turn in turns:
        one = turn.running
        facts = servers.setdefault(turn.name, {"starts": [], "answers": turn.answers})
        facts["starts"].append(
            {"health_s": round(one.health_s, 2), "first_answer_s": round(one.first_answer_s, 2)}
            | {"stop_s": round(one.stop_s, 2), "left": one.left}
        )
        facts["memory"] = turn.memory
        facts["total_pss_mb"] = round(sum(float(m["pss_mb"]) for m in turn.memory), 1)
    for name, difference in check_answers(turns).items():
        servers[name]["largest_score_difference"] = difference
    return servers
