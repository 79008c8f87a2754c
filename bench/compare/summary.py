"""From rounds to medians, spreads, and ratios of requests/s: the first server's over another's."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.compare.loads import Result
from bench.kit.results import BenchError, Record
from bench.kit.rounds import divide, take_medians
from bench.kit.servers import Running, Scores

RATE, P99 = "requests_per_s", "p99_ms"
MEASURES = (RATE, "p50_ms", P99)
OPEN_MEASURES = ("p50_ms", P99, "late_p99_ms")
TIMES = ("health_s", "first_answer_s", "stop_s")
TOLERANCE = 1e-3


@dataclass(frozen=True)
class ServerRun:
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


def check_answers(runs: list[ServerRun]) -> dict[str, float]:
    """Return the largest difference of a score of each server from the first, over all pictures.

    Compared are the labels that either names first; one that is not named is 1 apart. More than the
    tolerance is an error where the scores must be the same.
    """
    first, *others = runs
    worst: dict[str, float] = {}
    for run in others:
        for picture, scores in run.answers.items():
            one, other = first.answers[picture], scores
            leaders = {max(side, key=side.__getitem__) for side in (one, other)}
            named = one.keys() & other.keys()
            difference = max(abs(one[x] - other[x]) if x in named else 1.0 for x in leaders)
            worst[run.name] = max(worst.get(run.name, 0.0), difference)
            if run.running.server.is_exact and difference > TOLERANCE:
                raise BenchError(
                    f"{run.model}, {picture}: {first.name} says {first.answers[picture]}, "
                    f"{run.name} says {scores}: they do not serve the same"
                )
    return worst


def summarize(
    runs: list[ServerRun], measures: tuple[str, ...], spread: str
) -> dict[tuple[str, float], dict[str, Record]]:
    """Return each server by image and load: medians, the spread of one measure, all errors."""
    groups: dict[tuple[str, float], dict[str, list[Result]]] = {}
    for run in runs:
        for result in run.results:
            sides = groups.setdefault((result.image, result.load), {})
            sides.setdefault(run.name, []).append(result)

    def merge(results: list[Result]) -> Record:
        rounds = [vars(result) for result in results]
        values = [one[spread] for one in rounds]
        found: Record = {"spread": [min(values), max(values)], "rounds": values}
        found["errors"] = sum(result.errors for result in results)
        return take_medians(rounds, measures) | found

    return {
        key: {name: merge(rounds) for name, rounds in sides.items()}
        for key, sides in groups.items()
    }


def compare_sides(subject: Record, other: Record) -> Record:
    """Return the ratio of the medians and the spread of the ratios; 0 when the other did none."""
    ratios = list(map(divide, subject["rounds"], other["rounds"]))
    ratio = divide(subject[RATE], other[RATE])
    return {"ratio": ratio, "spread": [min(ratios), max(ratios)]}


def compare_cells(runs: list[ServerRun], limits: Record) -> list[Record]:
    """Return the cells of one model: every server, and the ratio of the first over each other."""
    cells = []
    for (image, connections), sides in summarize(runs, MEASURES, RATE).items():
        found = limits["images"][image]
        limit = min(found["decoder_per_s"], limits["engine_per_s"])
        for side in sides.values():
            side["of_limit"] = round(side[RATE] / limit, 2)
            if connections == 1:
                side["added_ms"] = round(side["p50_ms"] - found["raw_call_ms"], 2)
        subject, *others = sides
        cell = {"model": runs[0].model, "image": image, "concurrency": connections}
        cell |= {"limit_per_s": limit, "servers": sides}
        cell["ratios"] = {name: compare_sides(sides[subject], sides[name]) for name in others}
        cells.append(cell)
    return cells


def find_capacity(cells: list[Record], image: str, names: Iterable[str]) -> float:
    """Return the requests/s of the slower of the servers at the most connections measured."""
    mine = [cell for cell in cells if cell["image"] == image]
    busiest = max(mine, key=lambda cell: int(cell["concurrency"]))
    return min(float(busiest["servers"][name][RATE]) for name in names)


def summarize_open(runs: list[ServerRun]) -> list[Record]:
    """Return one row for each image and share: the medians of each server over the rounds."""
    offered = {(one.image, one.load): one.requests_per_s for run in runs for one in run.results}
    return [
        {"image": key[0], "share": key[1], "offered_per_s": offered[key], "servers": sides}
        for key, sides in summarize(runs, OPEN_MEASURES, P99).items()
    ]


def summarize_servers(runs: list[ServerRun]) -> Record:
    """Return the starts, the ends and the memory of each server with one model."""
    servers: dict[str, Record] = {}
    for run in runs:
        running = run.running
        facts = servers.setdefault(run.name, {"starts": [], "answers": run.answers})
        facts["starts"].append(
            {name: round(getattr(running, name), 2) for name in TIMES} | {"left": running.left}
        )
        facts["memory"] = run.memory
        facts["total_pss_mb"] = round(sum(float(one["pss_mb"]) for one in run.memory), 1)
    for name, difference in check_answers(runs).items():
        servers[name]["largest_score_difference"] = difference
    return servers
