"""Run ``python -m bench.engine --device cpu|cuda``: the engines alone, without Ray and HTTP.

Every engine runs the same batches in alternating rounds, beside a raw loop: on a GPU the compiled
bf16 network over pixels that lie there already, on a CPU the eager fp32 network. The last line of
stdout is one JSON document. Pixels are random: nothing is timed on zeros.
"""

import argparse
import json
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from statistics import median
from typing import Any

import torch

from bench.kit.machine import describe_machine
from bench.kit.models import MODELS
from bench.kit.results import RESULTS
from bench.studies.subjects import (
    RAW,
    WANTED,
    Subject,
    build_engines,
    compare_scores,
    make_pixels,
    make_raw,
    make_source,
    make_subject,
)


def time_subject(subject: Subject, seconds: float) -> float:
    """Return images/s over at least so many seconds and two calls."""
    calls, started = 0, time.perf_counter()
    while calls < 2 or time.perf_counter() - started < seconds:  # noqa: PLR2004 - said above
        subject.run()
        calls += 1
    return calls * subject.images / (time.perf_counter() - started)


def time_subjects(subjects: list[Subject], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return the images/s of each round; every other round goes backwards."""
    for subject in subjects:
        subject.run()
    rates: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for number in range(rounds):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            rates[subject.name].append(round(time_subject(subject, seconds), 2))
    return rates


def measure_model(model: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each batch size and subject of one model."""
    source, device = make_source(model), arguments.device
    engines = build_engines(source, device, arguments.batches, arguments.threads)
    differences = compare_scores(source, engines, make_pixels(source, min(arguments.batches)))
    torch.set_num_threads(arguments.threads)
    rows = []
    with ThreadPoolExecutor(2) as pool:
        for batch in arguments.batches:
            pixels = make_pixels(source, batch)
            subjects = [Subject(RAW, make_raw(source, device, pixels), batch)]
            subjects += [
                make_subject(name, engine, pixels, pool) for name, engine in engines.items()
            ]
            rates = time_subjects(subjects, arguments.rounds, arguments.seconds)
            for subject, seen in rates.items():
                row = {
                    "model": model,
                    "batch": batch,
                    "engine": subject,
                    "images_per_s": round(median(seen), 1),
                    "spread": [min(seen), max(seen)],
                    "of_raw": round(median(seen) / median(rates[RAW]), 2),
                    "largest_difference": differences.get(subject),
                }
                rows.append(row)
                print_row(row)
    return rows


def print_row(row: dict[str, Any]) -> None:
    """Print one row of the Markdown table."""
    difference = row["largest_difference"]
    shown = "" if difference is None else f"{difference:.1e}"
    print(
        f"| {row['model']} | {row['batch']} | {row['engine']} | {row['images_per_s']} "
        f"| {row['of_raw']} | {shown} |",
        flush=True,
    )


def parse_arguments() -> argparse.Namespace:
    """Return what to measure."""

    def read_batches(text: str) -> tuple[int, ...]:
        return tuple(sorted(map(int, text.split(","))))

    parser = argparse.ArgumentParser(prog="python -m bench.studies.engine", description=__doc__)
    parser.add_argument("--device", choices=tuple(WANTED), default="cpu")
    parser.add_argument("--models", type=lambda text: text.split(","), default=list(MODELS))
    parser.add_argument("--batches", type=read_batches, default=(1, 8, 64))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each subject in a round")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def run() -> None:
    """Measure, print the table and keep the document."""
    warnings.simplefilter("ignore")  # of torch's compiler; what counts is the table
    arguments = parse_arguments()
    print("| model | batch | engine | images/s | of raw | largest difference |")
    print("| --- | ---: | --- | ---: | ---: | ---: |")
    document = {
        "benchmark": "engine",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "threads": arguments.threads,
        "torch": torch.__version__,
        "machine": describe_machine(),
        "rows": [row for name in arguments.models for row in measure_model(name, arguments)],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-engine-{arguments.device}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"kept in bench/results/{path.name}")
    print(json.dumps(document))


if __name__ == "__main__":
    run()
