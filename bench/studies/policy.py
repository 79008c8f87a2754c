"""Run ``python -m bench.studies.policy``: what the group rule does for a GPU, and how it scales.

On a simulated GPU the rule (`Coalescer`) meets plain `@serve.batch` under the same seeded
arrivals, round by round; then more replicas share the images. Prints the tables of
docs/batch-policy.md, draws docs/policy.png; the last line of stdout is one JSON document.
"""

import argparse
import asyncio
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from app.limits import derive_limits
from app.settings import Settings
from bench.kit.arrivals import Load
from bench.kit.machine import describe_machine
from bench.kit.results import save
from bench.kit.servers import ROOT
from bench.kit.tables import print_tables
from bench.studies.cluster import run_cluster, watch_cpu
from bench.studies.plot import draw_plot

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from bench.studies.simulated import Gpu, Policy

RATES = (100, 500, 1500)
REPLICAS = (1, 2, 4)
WAITS_MS = (0, 2, 5, 10)
PLACES = (1, 2, 4)
SIZES = (8, 16, 64)
SATURATION = 1.3
"""Images offered to replicas, as a share of what they can do."""

DEADLINE_MS = 500.0
"""An answer that takes longer is no good; a full queue alone takes 220 ms of the fast GPU."""

SLOW_DEADLINE_MS = 2500.0
"""The same for the slow GPU, a fifth as fast."""

QUEUE = derive_limits(Settings()).max_queue


@dataclass(frozen=True)
class Cell:
    """One policy under one load."""

    policy: "Policy"
    rate: float
    deadline_ms: float


def list_cells(slow: "Gpu") -> list[Cell]:
    """List what is measured in each round."""
    return [
        *(Cell(policy, rate, DEADLINE_MS) for rate in RATES for policy in list_policies()),
        *list_scaling(slow),
    ]


def list_policies() -> list["Policy"]:
    """List the policies for one replica."""
    from bench.studies.simulated import Policy  # noqa: PLC0415 - imports Ray

    return [
        *(Policy(f"groups, W = {places}", "groups", places) for places in PLACES),
        *(Policy(f"groups of {size}, W = 2", "groups", 2, size) for size in SIZES),
        Policy("groups, W = 2, wait 2 ms", "groups", 2, wait_ms=2),
        *(Policy(f"plain, wait {wait} ms", "plain", 0, wait_ms=wait) for wait in WAITS_MS),
    ]


def list_scaling(gpu: "Gpu") -> list[Cell]:
    """List the loads that saturate 1, 2 and 4 replicas."""
    from bench.studies.simulated import Policy  # noqa: PLC0415 - imports Ray

    policies = [Policy(f"x{count}", f"slow-{count}", replicas=count) for count in REPLICAS]
    rates = [SATURATION * gpu.compute_capacity(32) * count for count in REPLICAS]
    return [Cell(*pair, SLOW_DEADLINE_MS) for pair in zip(policies, rates, strict=True)]


def start_driver(fast: "Gpu", slow: "Gpu", edge: int) -> "DeploymentHandle":
    """Deploy the driver and every classifier that the policies name."""
    from ray import serve  # noqa: PLC0415

    from bench.studies.simulated import GroupClassifier, ImageClassifier, bind_driver  # noqa: PLC0415

    one = {"groups": (GroupClassifier, fast, 1), "plain": (ImageClassifier, fast, 1)}
    many = {f"slow-{count}": (GroupClassifier, slow, count) for count in REPLICAS}
    return serve.run(bind_driver(one | many, edge), name="policy", route_prefix=None)


async def measure_cell(
    driver: "DeploymentHandle", cell: Cell, seed: int, seconds: float
) -> dict[str, float]:
    """Return the figures of one cell in one round."""
    load = Load(cell.rate, seconds, seed, QUEUE, cell.deadline_ms)
    seen, classifiers, machine = await watch_cpu(driver.measure.remote(cell.policy, load))
    print(f"  {cell.policy.name} at {cell.rate:.0f}/s: {seen}", file=sys.stderr)
    cpu = {"driver_cpu": seen.driver_cpu, "classifier_cpu": classifiers, "machine_cpu": machine}
    return asdict(seen.summary) | cpu


async def measure_rounds(
    driver: "DeploymentHandle", cells: list[Cell], rounds: int, seconds: float
) -> list[dict[str, Any]]:
    """Return each cell's medians over the rounds, and its rounds; every other round runs back."""
    seen: dict[Cell, list[dict[str, float]]] = {cell: [] for cell in cells}
    for number in range(1, rounds + 1):
        print(f"round {number}", file=sys.stderr)
        for cell in cells if number % 2 else reversed(cells):
            seen[cell].append(await measure_cell(driver, cell, number, seconds))
    return [
        asdict(cell.policy)
        | {"offered": round(cell.rate, 1), "deadline_ms": cell.deadline_ms}
        | {name: round(median(r[name] for r in found), 2) for name in found[0]}
        | {"rounds": found}
        for cell, found in seen.items()
    ]


def compare(rounds: int, seconds: float, edge: int) -> dict[str, Any]:
    """Run everything on a cluster of its own and return the document."""
    started, machine = datetime.now(UTC), describe_machine()
    with asyncio.Runner() as runner, run_cluster():  # Serve stops while the loop still is
        from bench.studies.simulated import Gpu  # noqa: PLC0415 - imports Ray

        fast, slow = Gpu(fixed_ms=8, image_ms=0.6), Gpu(fixed_ms=20, image_ms=4)
        driver = start_driver(fast, slow, edge)
        cells = runner.run(measure_rounds(driver, list_cells(slow), rounds, seconds))
    gpus = {
        name: asdict(gpu) | {"capacity": round(gpu.compute_capacity(32), 1)}
        for name, gpu in (("fast", fast), ("slow", slow))
    }
    scaling = [cell for cell in cells if cell["classifier"].startswith("slow")]
    return {
        "benchmark": "policy",
        "started": started.isoformat(timespec="seconds"),
        "minutes": round((datetime.now(UTC) - started).total_seconds() / 60, 1),
        "rounds": rounds,
        "seconds": seconds,
        "edge": edge,
        "queue": QUEUE,
        "machine": machine,
        "gpus": gpus,
        "policies": [cell for cell in cells if cell not in scaling],
        "scaling": scaling,
        "scaling_ratio": round(scaling[-1]["goodput"] / max(1, scaling[0]["goodput"]), 2),
    }


def parse_arguments() -> argparse.Namespace:
    """Return how many rounds of how many seconds, on what pixels."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.policy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each cell that count")
    parser.add_argument("--edge", type=int, default=32, help="pixels are edge x edge")
    parser.add_argument("--quick", action="store_true", help="one round of 1.5 s a cell")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 1.5
    return arguments


def run() -> None:
    """Run the benchmark: tables, plot, document."""
    arguments = parse_arguments()
    document = compare(arguments.rounds, arguments.seconds, arguments.edge)
    print_tables(document)
    if not arguments.quick:
        draw_plot(document, ROOT / "docs" / "policy.png")
    save(document, "policy-quick" if arguments.quick else "policy")


if __name__ == "__main__":
    run()
