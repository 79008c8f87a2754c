"""A simulated GPU, and a driver that takes the ingress's part.

The classifier has the shape of `app.deployments.Classifier`; in place of the model its thread
sleeps, so a batch takes the time of a GPU's and none of the CPU's. The driver sends through the
real `Coalescer` and `HandleBackend`. HTTP is left out: two cores cannot carry 1,500 requests/s.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from uuid import uuid4

import numpy as np
from ray import serve
from ray.serve.config import RequestRouterConfig
from ray.serve.handle import DeploymentHandle

from app.backend import Geometry, Group, Pixels, Scored
from app.deployments.batch_gate import BatchGate
from app.deployments.group_router import GroupRouter
from app.deployments.handle_backend import HandleBackend
from app.deployments.load_meter import SenderCount
from app.prediction.coalescer import Coalescer
from bench.studies.policies import FAST, REPLICAS, SLOW, Gpu, Load, Policy, play, summarize_answers

ONGOING = 1024
"""Requests that Serve lets into a classifier: more than any policy here ever sends."""

LABELS = 10


def count_images(groups: list[Group]) -> int:
    """Return the size of a batch."""
    return sum(len(group.pixels) for group in groups)


class SimulatedClassifier:
    """What `Classifier` is, around a sleep. The answer's revision names the batch.

    Plain `@serve.batch` gets a call an image, counted by Serve, which is the faster way for it.
    """

    def __init__(self, gpu: Gpu, *, is_plain: bool) -> None:
        self._gpu = gpu
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gpu")
        self._gate = None if is_plain else BatchGate(32, 1)
        self._senders = SenderCount()
        size = None if is_plain else count_images
        self._score = serve.batch(
            self._score_batch, max_batch_size=32, batch_wait_timeout_s=0, batch_size_fn=size
        )

    async def configure(self, batch_size: int, wait_ms: float) -> None:
        """Take over a policy."""
        self._score.set_max_batch_size(batch_size)
        self._score.set_batch_wait_timeout_s(wait_ms / 1000)
        self._gate = self._gate and BatchGate(batch_size, 1)

    async def predict(self, group: Group) -> Scored:
        """Score a group, in one batch with others that wait."""
        async with self._gate.enter(len(group.pixels)) if self._gate else nullcontext():
            scored: Scored = await self._score(group)
        return replace(scored, senders=self._senders.count(group.sender))

    async def _score_batch(self, groups: list[Group]) -> list[Scored]:
        """Score one batch in the GPU's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._sleep, groups)

    def _sleep(self, groups: list[Group]) -> list[Scored]:
        """Take the time that the batch takes."""
        batch_ms = self._gpu.fixed_ms + self._gpu.image_ms * count_images(groups)
        time.sleep(batch_ms / 1000)
        name = uuid4().hex
        zeros = [np.zeros((len(group.pixels), LABELS), np.float32) for group in groups]
        return [Scored(name, logits, None, batch_ms) for logits in zeros]


class Driver:
    """Offers load in a process of its own, through handles, as the ingress does."""

    def __init__(self, handles: Mapping[str, DeploymentHandle], edge: int) -> None:
        self._handles = handles
        self._geometry = Geometry((edge, edge), (edge, edge), resample=2, crop=False)
        generator = np.random.default_rng(1)
        self._pixels: Pixels = generator.integers(0, 256, (edge, edge, 3), dtype=np.uint8)

    async def measure(self, policy: Policy, load: Load) -> dict[str, float]:
        """Offer the load under the policy; return what came back and the driver's own cores."""
        handle = self._handles[policy.classifier]
        if policy.replicas == 1:  # a call reaches one of them
            await handle.configure.remote(policy.batch_size, policy.wait_ms)
        backend = HandleBackend(handle)

        async def send(
            pixels: Pixels, timeout_s: float = math.inf, _traced: tuple[str, ...] = ()
        ) -> Scored:
            return await backend.predict(Group(pixels, "simulated", self._geometry, timeout_s))

        def count_classifiers() -> float:
            return backend.count_classifiers() / backend.count_ingresses()

        coalescer = Coalescer(send, policy.batch_size, count_classifiers, policy.slots)

        async def ask() -> str:
            if not policy.slots:
                return (await send(self._pixels[None])).revision
            return (await coalescer.score(self._pixels)).group.revision

        cpu, started = time.process_time(), time.perf_counter()
        answers = await play(load, ask)
        used = (time.process_time() - cpu) / (time.perf_counter() - started)
        return summarize_answers(answers, load) | {"driver_cpu": round(used, 2)}


def start_driver(edge: int) -> DeploymentHandle:
    """Deploy the driver and the classifiers that the policies name."""
    kinds = {"groups": (FAST, 1), "plain": (FAST, 1)}
    kinds |= {f"slow-{count}": (SLOW, count) for count in REPLICAS}
    options = {"max_ongoing_requests": ONGOING, "ray_actor_options": {"num_cpus": 0}}
    router = RequestRouterConfig(request_router_class=GroupRouter)
    shared = options | {"request_router_config": router}
    deploy, handles = serve.deployment(SimulatedClassifier), {}
    for name, (gpu, count) in kinds.items():
        named = deploy.options(name=name, num_replicas=count, **shared)
        handles[name] = named.bind(gpu, is_plain=name == "plain")
    driver = serve.deployment(Driver).options(**options).bind(handles, edge)
    return serve.run(driver, name="policy", route_prefix=None)
