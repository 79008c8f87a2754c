"""Run ``python -m bench.studies.policy``: what the group rule does for a GPU, and how it scales.

On a simulated GPU the rule (`Coalescer`) meets plain `@serve.batch` under the same seeded
arrivals, round by round; then more replicas share the images. Prints the tables of
docs/batch-policy.md, draws docs/policy.png; the last line of stdout is one JSON object.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import psutil

from app.limits import derive_limits
from app.settings import Settings
from app.standalone.isolation import list_environment
from app.standalone.shutdown import list_children, stop_service
from bench.kit.results import Record, save, start_record
from bench.kit.rounds import take_medians
from bench.studies.policies import FAST, SLOW, Load, list_cells
from bench.studies.policy_report import draw_plot, print_tables

T = TypeVar("T")


@contextlib.contextmanager
def run_serve() -> Iterator[None]:
    """Start Ray and Serve as `vitrine serve` does, but for the proxy, and stop them."""
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder:
        os.environ.update(list_environment("python", Path(folder)))
        import ray  # noqa: PLC0415
        from ray import serve  # noqa: PLC0415

        try:
            quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
            small = {"include_dashboard": False, "object_store_memory": 200 << 20}
            ray.init(address="local", num_cpus=os.cpu_count(), **quiet, **small)
            logging.getLogger("ray.serve").setLevel(logging.ERROR)
            logs = {"enable_access_log": False, "log_level": "WARNING"}
            serve.start(proxy_location="Disabled", logging_config=logs)
            yield
        finally:
            logging.getLogger("ray.serve").disabled = True  # it would tell that our loop rests
            stop_service(Path(folder))


async def watch_cpu(act: Awaitable[T]) -> tuple[T, dict[str, float]]:
    """Await; return also the cores that the classifiers used and those that the machine did."""
    titles = [(child, " ".join(child.cmdline()[:1])) for child in list_children()]
    watched = [child for child, title in titles if "Replica" in title and "Driver" not in title]
    psutil.cpu_percent()  # the next call counts from here, and so for each process
    for process in watched:
        process.cpu_percent()
    result = await act
    used = sum(process.cpu_percent() for process in watched) / 100
    machine = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
    return result, {"classifier_cpu": round(used, 2), "machine_cpu": round(machine, 2)}


Driver = Any
"""A handle of `simulated.Driver`; Ray is imported when Serve is started."""


async def measure_rounds(driver: Driver, rounds: int, seconds: float, queue: int) -> list[Record]:
    """Return each cell's medians over the rounds, and its rounds; every other round runs back."""
    cells = list_cells()
    order = list(enumerate(cells))
    seen: list[list[dict[str, float]]] = [[] for _ in cells]
    for number in range(1, rounds + 1):
        print(f"round {number}", file=sys.stderr)
        for index, (policy, rate, deadline_ms) in order[:: 1 if number % 2 else -1]:
            load = Load(rate, seconds, number, queue, deadline_ms)
            found, cpu = await watch_cpu(driver.measure.remote(policy, load))
            seen[index].append(found | cpu)
            print(f"  {policy.name} at {rate:.0f}/s: {found}", file=sys.stderr)
    return [
        asdict(policy)
        | {"offered": round(rate, 1), "deadline_ms": deadline_ms}
        | take_medians(found, found[0])
        | {"rounds": found}
        for (policy, rate, deadline_ms), found in zip(cells, seen, strict=True)
    ]


def compare(options: argparse.Namespace) -> Record:
    """Run everything on a cluster of its own and return the record."""
    record, begun = start_record("policy") | vars(options), time.monotonic()
    queue = derive_limits(Settings()).max_queue
    with asyncio.Runner() as runner, run_serve():  # Serve stops while the loop still is
        from bench.studies.simulated import start_driver  # noqa: PLC0415 - imports Ray

        measuring = measure_rounds(
            start_driver(options.edge), options.rounds, options.seconds, queue
        )
        cells = runner.run(measuring)
    scaling = [cell for cell in cells if cell["classifier"].startswith("slow")]
    gpus = {"fast": FAST, "slow": SLOW}
    return record | {
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "queue": queue,
        "gpus": {
            name: asdict(gpu) | {"capacity": round(gpu.compute_capacity(), 1)}
            for name, gpu in gpus.items()
        },
        "policies": [cell for cell in cells if cell not in scaling],
        "scaling": scaling,
        "scaling_ratio": round(scaling[-1]["goodput"] / max(1, scaling[0]["goodput"]), 2),
    }


def run() -> None:
    """Run the study: tables, plot, results."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.policy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each cell that count")
    parser.add_argument("--edge", type=int, default=32, help="pixels are edge x edge")
    parser.add_argument("--quick", action="store_true", help="one round of 1.5 s a cell")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 1.5
    record = compare(options)
    print_tables(record)
    if not options.quick:
        draw_plot(record)
    save(record, "policy-quick" if options.quick else "policy")


if __name__ == "__main__":
    run()
