"""Several ingresses before one classifier on a real Ray Serve: the check of the simulation.

The drivers of the policy study take the part of the ingresses, each with a `Coalescer` and a
`GroupRouter` of its own; the classifier is a simulated GPU behind the real `BatchGate` and
`@serve.batch`.
"""

import asyncio
from collections.abc import Sequence

from bench.kit.results import Record
from bench.studies.policies import FAST, Load, Policy
from bench.studies.policy import Driver, run_serve

COUNTS = (1, 2, 4, 6)
DRIVERS_RATE = 600.0
"""Images/s of all drivers together: half of what the simulated GPU can do."""

SECONDS, ROUNDS = 3.0, 3

QUEUE = 256
"""Images in flight of all of them."""


def measure_drivers() -> list[Record]:
    """Return what one, two and more drivers get from one classifier, in alternating rounds."""
    seen: dict[int, list[Record]] = {count: [] for count in COUNTS}
    with asyncio.Runner() as runner, run_serve():
        drivers = start_drivers(max(COUNTS))
        runner.run(_measure(drivers, 0))  # the first calls are slow
        for number in range(1, ROUNDS + 1):
            for count in COUNTS[:: 1 if number % 2 else -1]:
                seen[count].append(runner.run(_measure(drivers[:count], number)))
                print(f"  {count} drivers: {seen[count][-1]}", flush=True)
    return [
        {"drivers": count, "rounds": found}
        | sorted(found, key=lambda one: float(one["p99_ms"]))[ROUNDS // 2]
        for count, found in seen.items()
    ]


def start_drivers(count: int) -> Sequence[Driver]:
    """Deploy one classifier and so many drivers of it; return their handles."""
    from ray import serve  # noqa: PLC0415 - after the environment is set
    from ray.serve.config import RequestRouterConfig  # noqa: PLC0415

    from app.deployments.group_router import GroupRouter  # noqa: PLC0415
    from bench.studies import simulated  # noqa: PLC0415

    options = {"max_ongoing_requests": simulated.ONGOING, "ray_actor_options": {"num_cpus": 0}}
    router = RequestRouterConfig(request_router_class=GroupRouter)
    deployed = serve.deployment(simulated.SimulatedClassifier).options(
        request_router_config=router, **options
    )
    classifier = serve.run(deployed.bind(FAST, is_plain=False), name="gpu", route_prefix=None)
    driver = serve.deployment(simulated.Driver).options(**options)
    bound = driver.bind({"groups": classifier}, 32)
    names = [f"driver-{number}" for number in range(count)]
    return [serve.run(bound, name=name, route_prefix=None) for name in names]


async def _measure(drivers: Sequence[Driver], seed: int) -> Record:
    """Let each driver offer its share at once; latencies are those of the median and worst one."""
    count = len(drivers)
    loads = [
        Load(DRIVERS_RATE / count, SECONDS, 100 * seed + one, QUEUE // count, deadline_ms=500)
        for one in range(count)
    ]
    policy = Policy("groups", "groups")
    found = await asyncio.gather(
        *(one.measure.remote(policy, load) for one, load in zip(drivers, loads, strict=True))
    )
    return {
        "goodput": round(sum(one["goodput"] for one in found), 1),
        "p50_ms": sorted(one["p50_ms"] for one in found)[count // 2],
        "p99_ms": max(one["p99_ms"] for one in found),
        "batch": round(sum(one["batch"] for one in found) / count, 1),
    }
