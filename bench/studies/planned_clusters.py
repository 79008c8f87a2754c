"""The loads of the scaling study: clusters as they are planned, on the simulated clock."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from bench.kit.results import Record
from bench.studies.capacity_plan import MODELS, Assumptions, make_plan, read_cpu
from bench.studies.cluster_classifier import Shape
from bench.studies.cluster_parts import Costs
from bench.studies.cluster_simulation import Loss, Offer, simulate
from bench.studies.drivers import DRIVERS_RATE, measure_drivers
from bench.studies.policies import FAST, Gpu

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
LOSS_RATE, LOSS, LOSS_S = 4_000, Loss(at_s=5, back_s=20), 25
UTILIZATIONS = (0.6, 0.8)
WARM_S = 1.0

NOW, WAS = "as it is", "as it was"
RULES: dict[str, Record] = {
    WAS: {"as_it_was": True},
    NOW: {},
    "as it is, after a reload": {"is_reloaded": True},
}
"""`Shape` has what is meant."""


def scale_gpu(images_per_s: float) -> Gpu:
    """Return the policy study's GPU, as many times faster as full batches need."""
    factor = FAST.compute_capacity() / images_per_s
    return Gpu(FAST.fixed_ms * factor, FAST.image_ms * factor)


def make_shape(rate: float, assumed: Assumptions, rule: Record) -> Shape:
    """Make the cluster that is planned for a rate, without spare nodes."""
    bare = replace(assumed, spare_nodes=0)
    plan = make_plan(rate, read_cpu(MODELS[-1], has_gpu=True), bare)
    gpu = scale_gpu(assumed.gpu_images_per_s)
    return Shape(plan.nodes, plan.ingresses, plan.classifiers, gpu, **rule)


def run_cell(shape: Shape, offer: Offer, rule: str) -> Record:
    """Simulate one load; return what describes it and what came of it."""
    size = (shape.nodes, shape.ingresses, shape.classifiers)
    head = {"rule": rule, "images_per_s": offer.rate, "shape": size}
    found = head | simulate(shape, offer)
    print(f"  {rule}, {offer.rate}/s, {size}: p99 {found['p99_ms']} ms", flush=True)
    return found


def simulate_plan(offer: Offer, rule: str = NOW, assumed: Assumptions | None = None) -> Record:
    """Simulate the cluster that is planned for a rate."""
    shape = make_shape(offer.rate, assumed or Assumptions(), RULES[rule])
    return run_cell(shape, offer, rule)


def simulate_sizes() -> list[Record]:
    """Simulate the planned cluster of each size with each rule."""
    offers = [Offer(rate, WARM_S + max(0.6, 3000 / rate), WARM_S) for rate in SIZES]
    return [simulate_plan(offer, rule) for offer in offers for rule in RULES]


def simulate_losses() -> list[Record]:
    """Simulate the loss of a node, at each utilization of the cluster."""
    offer = Offer(LOSS_RATE, LOSS_S, WARM_S, loss=LOSS)
    planned = {used: Assumptions(utilization=used) for used in UTILIZATIONS}
    return [simulate_plan(offer, NOW, one) | {"utilization": used} for used, one in planned.items()]


def make_driver_shape(drivers: int) -> Shape:
    """Make the cluster of the policy study: drivers in place of ingresses, one classifier."""
    return Shape(1, drivers, 1, FAST, costs=replace(Costs(), front=0, image=0, read=0))


def check_drivers() -> list[Record]:
    """Measure several drivers on a real Serve, and simulate the same; also as it was."""
    offer, cells = Offer(DRIVERS_RATE, 3.5, 0.5), []
    for cell in run_apart(measure_drivers):
        shape = make_driver_shape(cell["drivers"])
        was = run_cell(replace(shape, as_it_was=True), offer, WAS)
        cells.append(run_cell(shape, offer, NOW) | {"was": was, "measured": cell})
    return cells


def run_apart(measure: Callable[[], list[Record]]) -> list[Record]:
    """Run in a process of its own: Serve reads its variables when it is imported."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure).result()
