"""The load of a simulated cluster: what it answers at each size, and while a node is lost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.client.generator import draw_schedule
from bench.kit.results import Record
from bench.studies.cluster import Cluster
from bench.studies.cluster_classifier import Shape
from bench.studies.policies import DEADLINE_MS
from bench.studies.simulated_clock import run_simulated


@dataclass(frozen=True)
class Loss:
    """A node whose processes are killed at `at_s` and are back at `back_s`.

    For `unseen_s` the load balancer goes on to send to its front. `large` is the share of requests
    whose body is too large to be sent again (above 120 kB).
    """

    at_s: float
    back_s: float
    unseen_s: float = 1.0
    large: float = 0.2


@dataclass(frozen=True)
class Offer:
    """Images/s in a Poisson process; those due in the first `warm_s` do not count."""

    rate: float
    seconds: float
    warm_s: float = 1.0
    seed: int = 1
    loss: Loss | None = None


Outcome = tuple[float, float, str]
"""When a request was due, its milliseconds, and whether it was answered, refused, cut or failed."""


async def offer_load(cluster: Cluster, offer: Offer) -> list[Outcome]:
    """Offer all through a load balancer that draws a front for each request; wait for all."""
    loop, loss, requests = asyncio.get_running_loop(), offer.loss, []

    async def ask(draw: float, due: float, *, is_large: bool) -> Outcome:
        is_seen = loss and loss.at_s + loss.unseen_s <= due < loss.back_s
        fronts = cluster.fronts[1:] if is_seen else cluster.fronts
        fate = await fronts[int(draw * len(fronts))].serve(is_large=is_large)
        return due, 1000 * (loop.time() - due), fate

    if loss:
        loop.call_at(loss.at_s, cluster.kill, 0)
        loop.call_at(loss.back_s, cluster.revive)
    schedule = draw_schedule(offer.rate, offer.seconds, offer.seed)
    drawn = np.random.default_rng(offer.seed).random((len(schedule), 2))
    for due, (size, front) in zip(schedule, drawn.tolist(), strict=True):
        await asyncio.sleep(due - loop.time())
        is_large = size < (loss.large if loss else 0)
        requests.append(asyncio.create_task(ask(front, due, is_large=is_large)))
    return await asyncio.gather(*requests)


def simulate(shape: Shape, offer: Offer) -> Record:
    """Run one load; return what the clients saw and what the classifiers did."""

    async def act() -> Record:
        cluster = Cluster(shape, offer.seed)
        outcomes = await offer_load(cluster, offer)
        return summarize(cluster, outcomes, offer)

    return run_simulated(act())


def summarize(cluster: Cluster, outcomes: Sequence[Outcome], offer: Offer) -> Record:
    """Return what clients saw after the warm-up, all fates, and what the classifiers did."""
    counted = [(ms, fate) for due, ms, fate in outcomes if due >= offer.warm_s]
    answered = [ms for ms, fate in counted if fate == "answered"]
    p50, p99 = np.percentile(answered or [0.0], (50, 99)).tolist()
    fates = [fate for *_, fate in outcomes]
    in_time = sum(ms <= DEADLINE_MS for ms in answered)
    classifiers, now = cluster.classifiers, asyncio.get_running_loop().time()
    images = sum(one.images for one in classifiers)
    busy_s = sum(one.core.busy_s for one in classifiers) / len(classifiers)
    return {
        "goodput": round(in_time / (offer.seconds - offer.warm_s), 1),
        "in_time": round(in_time / max(1, len(counted)), 4),
        "p50_ms": round(p50, 1),
        "p99_ms": round(p99, 1),
        "requests": len(outcomes),
        "fates": {fate: fates.count(fate) for fate in ("answered", "refused", "cut", "failed")},
        "group": round(images / max(1, sum(one.groups for one in classifiers)), 1),
        "batch": round(images / max(1, sum(one.batches for one in classifiers)), 1),
        "classifier_busy": round(busy_s / now, 2),
        "retried": sum(one.retried for one in cluster.fronts),
        "retried_groups": sum(one.router.retried for one in cluster.ingresses),
    }
