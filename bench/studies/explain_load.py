"""Run ``python -m bench.studies.explain_load``: what explanations beside it cost `/predict`.

One running service; what its first explanations take, then alternating rounds of predictions over
16 connections alone and with four explanations in flight all the time, as JSON or as PNG. Prints a
table; the last line of stdout is one JSON object, which is also kept in bench/results.
"""

import argparse
import asyncio
from functools import partial
from statistics import median

from app.client.connection import Address
from app.client.generator import count_until
from app.client.request import make_post
from bench.kit.client import Tally, Target
from bench.kit.generator import keep_busy
from bench.kit.images import FORM, Picture, make_picture
from bench.kit.models import find_checkpoint
from bench.kit.results import BenchError, Record, save, start_record
from bench.kit.rounds import divide, run_rounds
from bench.kit.servers import make_vitrine, run_server

ROUNDS, CONNECTIONS, EXPLANATIONS = 7, 16, 4
FOLLOWING = 20
"""Explanations that are timed after the first one."""

LEAD_S = 0.5
"""Seconds for which explanations are asked for before predictions."""


class Load:
    """Predictions of one picture, alone or beside explanations of it.

    Attributes:
        predictions: requests/s of each measurement, by whether explanations were beside.
        explanations: answered explanations/s of each measurement beside predictions.
    """

    def __init__(self, port: int, picture: Picture, seconds: float, format_: str) -> None:
        self._predict = Target(Address(port), make_post("/predict", FORM, picture.body()))
        path = f"/explain?format={format_}"
        self._explain = Target(Address(port), make_post(path, FORM, picture.body()))
        self._seconds = seconds
        self.predictions: dict[bool, list[float]] = {False: [], True: []}
        self.explanations: list[float] = []

    def time_first(self) -> Record:
        """Return milliseconds of the first explanation, and the median of those after it."""
        times = []
        for count in (1, FOLLOWING):
            tally = asyncio.run(keep_busy(self._explain, 1, range(count)))
            if tally.failed:
                raise BenchError("explanations are not answered")
            times.append(tally.find_ms(50))
        return {"first_ms": times[0], "next_ms": times[1]}

    def measure(self, *, beside: bool) -> float:
        """Measure the p99 of predictions in milliseconds."""
        explained, predicted = asyncio.run(self._send(EXPLANATIONS if beside else 0))
        if predicted.failed or explained.failed:
            raise BenchError(f"answers were not good: {predicted.failed} {explained.failed}")
        self.predictions[beside].append(predicted.good / predicted.took_s)
        if beside:
            self.explanations.append(explained.good / explained.took_s)
        return predicted.find_ms(99) or 0.0

    async def _send(self, explanations: int) -> tuple[Tally, Tally]:
        """Keep all connections busy; returns what became of explanations and predictions."""
        whole = count_until(LEAD_S + self._seconds)
        async with asyncio.TaskGroup() as group:
            explained = group.create_task(keep_busy(self._explain, explanations, whole))
            await asyncio.sleep(LEAD_S)
            predicted = await keep_busy(
                self._predict, CONNECTIONS, count_until(self._seconds - LEAD_S)
            )
        return explained.result(), predicted


def summarize(p99: dict[str, list[float]], load: Load) -> Record:
    """Return medians, and the ratio of the p99: the median over the rounds."""
    ratios = list(map(divide, p99["beside"], p99["alone"]))
    return {
        "p99_ms": {name: median(each) for name, each in p99.items()},
        "p99_ratio": median(ratios),
        "spread": [min(ratios), max(ratios)],
        "requests_per_s": {
            name: round(median(load.predictions[beside]), 1)
            for name, beside in (("alone", False), ("beside", True))
        },
        "explanations_per_s": round(median(load.explanations), 1),
        "rounds": p99,
    }


def main() -> None:
    """Measure, print the table, and keep the results."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.studies.explain_load", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement")
    parser.add_argument("--models", nargs="+", default=["digits", "tiny"])
    parser.add_argument("--format", choices=["json", "png"], default="json")
    options = parser.parse_args()
    run = "explain-load" if options.format == "json" else "explain-load-png"
    record = start_record(run) | {"models": {}}
    for model in options.models:
        picture = make_picture("png" if model == "digits" else "jpeg")
        server = make_vitrine(find_checkpoint(model).folder)
        with run_server(server, picture):
            load = Load(server.port, picture, options.seconds, options.format)
            first = load.time_first()
            measures = {
                "alone": partial(load.measure, beside=False),
                "beside": partial(load.measure, beside=True),
            }
            row = first | summarize(run_rounds(measures, options.rounds), load)
        record["models"][model] = row
        print(
            f"{model:<9} first {row['first_ms']} ms, next {row['next_ms']} ms; "
            f"p99 {row['p99_ms']['alone']} ms, beside {row['explanations_per_s']} "
            f"explanations/s {row['p99_ms']['beside']} ms: {row['p99_ratio']} {row['spread']}",
            flush=True,
        )
    save(record, run if options.rounds >= ROUNDS else f"{run}-part")


if __name__ == "__main__":
    main()
