"""From rounds to medians, spreads, and ratios of requests/s.

A peer that runs in variants (``litserve-1``, ``litserve-2``) is compared with at its best: in each
cell the variant with the highest median.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.compare.loads import Result
from bench.kit.results import BenchError, Record
from bench.kit.rounds import divide, take_medians
from bench.kit.servers import Running, Scores

RATE, P99 = "requests_per_s", "p99_ms"
MEASURES = (RATE, "p50_ms", P99, "cpu_ms")
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


def find_best(sides: Record, name: str) -> str:
    """Return the server of that name, or the fastest of its variants."""
    named = [one for one in sides if one == name or one.startswith(f"{name}-")]
    return max(named, key=lambda one: float(sides[one][RATE]))


def compare_sides(sides: Record, one: str, other: str) -> Record:
    """Return the ratio of the medians and the spread of the ratios; 0 when the other did none."""
    ratios = list(map(divide, sides[one]["rounds"], sides[other]["rounds"]))
    ratio = divide(sides[one][RATE], sides[other][RATE])
    return {"ratio": ratio, "spread": [min(ratios), max(ratios)], "beside": other}


def compare_all(sides: Record) -> Record:
    """Return each Vitrine over each peer at its best, and the first one over the others."""
    ours = [name for name in sides if name.startswith("vitrine")]
    peers = dict.fromkeys(name.partition("-")[0] for name in sides if name not in ours)
    pairs = [(one, peer) for one in ours for peer in peers]
    pairs += [(ours[0], other) for other in ours[1:]]
    return {
        f"{one} over {other}": compare_sides(sides, one, find_best(sides, other))
        for one, other in pairs
    }


def add_costs(side: Record, limits: Record, image: str, *, is_lone: bool) -> None:
    """Add what a server costs beyond decode and forward pass in one process.

    A lone request is held against one call of both, others against the model's batches.
    """
    found = limits["images"][image]
    needed_ms = found["decode_cpu_ms"] + limits["engine_cpu_ms"]
    if is_lone:
        needed_ms = found["raw_call_cpu_ms"]
        side["added_ms"] = round(side["p50_ms"] - found["raw_call_ms"], 2)
    side["cpu_beyond_ms"] = round(side["cpu_ms"] - needed_ms, 2)


def compare_cells(runs: list[ServerRun], limits: Record) -> list[Record]:
    """Return the cells of one model: every server, the limit, and the ratios.

    The costs of a Vitrine with other settings are not held against those of the default.
    """
    cells = []
    exact = {run.name for run in runs if run.running.server.is_exact}
    for (image, connections), sides in summarize(runs, MEASURES, RATE).items():
        limit = min(limits["images"][image]["decoder_per_s"], limits["engine_per_s"])
        for name, side in sides.items():
            side["of_limit"] = round(side[RATE] / limit, 2)
            if name in exact:
                add_costs(side, limits, image, is_lone=connections == 1)
        cell = {"model": runs[0].model, "image": image, "concurrency": connections}
        cell |= {"limit_per_s": limit, "servers": sides, "ratios": compare_all(sides)}
        cells.append(cell)
    return cells


def find_capacity(cells: list[Record], image: str, names: Iterable[str]) -> float:
    """Return the requests/s of the slower of the servers at the most connections measured."""
    mine = [cell for cell in cells if cell["image"] == image]
    sides = max(mine, key=lambda cell: int(cell["concurrency"]))["servers"]
    return min(float(sides[find_best(sides, name)][RATE]) for name in names)


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
