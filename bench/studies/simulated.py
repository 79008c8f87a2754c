"""A GPU that is not there, and the driver that stands where the ingress stands.

The classifier has the shape of `app.deployments.Classifier`; in place of the model its thread
sleeps, so a batch takes the time of a GPU's and none of the CPU's. The driver sends through the
real `Coalescer` and `HandleBackend`. HTTP is left out: two cores cannot carry 1,500 requests/s.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import uuid4

import numpy as np
from ray import serve
from ray.serve.config import RequestRouterConfig
from ray.serve.handle import DeploymentHandle

from app.backend import Geometry, Group, Pixels, Scored
from app.deployments.group_router import GroupRouter
from app.deployments.handle_backend import HandleBackend
from app.prediction.coalescer import Coalescer
from bench.kit.arrivals import Ask, Load, Summary, play, summarize_answers

ONGOING = 1024
"""Requests that Serve lets into a classifier: more than any policy here ever sends."""

LABELS = 10


@dataclass(frozen=True)
class Gpu:
    """A batch of n images takes `fixed_ms + image_ms * n`."""

    fixed_ms: float
    image_ms: float

    def compute_capacity(self, batch_size: int) -> float:
        """Return the images/s of full batches."""
        return 1000 * batch_size / (self.fixed_ms + self.image_ms * batch_size)


@dataclass(frozen=True)
class Policy:
    """How images become batches.

    Attributes:
        name: for the tables.
        classifier: which of the deployments gets them.
        places: partial groups in flight for each replica; 0 sends every image alone.
        batch_size: most images in a batch, and in a group.
        wait_ms: what `@serve.batch` waits for a batch to fill.
        replicas: how many classifiers share the images.
    """

    name: str
    classifier: str
    places: int = 2
    batch_size: int = 32
    wait_ms: float = 0
    replicas: int = 1


@dataclass(frozen=True)
class Seen:
    """What the driver saw of a load, and the CPU seconds that it used a second."""

    summary: Summary
    driver_cpu: float


def count_images(groups: list[Group]) -> int:
    """Return the size of a batch."""
    return sum(len(group.pixels) for group in groups)


class GroupClassifier:
    """What `Classifier` is, around a sleep. The answer's revision names the batch."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gpu")

    async def configure(self, batch_size: int, wait_ms: float) -> None:
        """Take over a policy."""
        self.score.set_max_batch_size(batch_size)
        self.score.set_batch_wait_timeout_s(wait_ms / 1000)

    async def predict(self, group: Group) -> Scored:
        """Score a group, in one batch with others that wait."""
        scored: Scored = await self.score(group)
        return scored

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0, batch_size_fn=count_images)
    async def score(self, groups: list[Group]) -> list[Scored]:
        """Score one batch in the GPU's thread."""
        return await self._run(groups)

    async def _run(self, groups: list[Group]) -> list[Scored]:
        """Hand a batch to the GPU's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._sleep, groups)

    def _sleep(self, groups: list[Group]) -> list[Scored]:
        """Take the time that the batch takes."""
        batch_ms = self._gpu.fixed_ms + self._gpu.image_ms * count_images(groups)
        time.sleep(batch_ms / 1000)
        name = uuid4().hex
        zeros = [np.zeros((len(group.pixels), LABELS), np.float32) for group in groups]
        return [Scored(name, logits, None, batch_ms) for logits in zeros]


class ImageClassifier(GroupClassifier):
    """Plain `@serve.batch`: a call an image, counted by Serve, which is the faster way for it."""

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0)
    async def score(self, groups: list[Group]) -> list[Scored]:
        """Score one batch in the GPU's thread."""
        return await self._run(groups)


class Driver:
    """Offers load in a process of its own, through handles, as the ingress does."""

    def __init__(self, handles: Mapping[str, DeploymentHandle], edge: int) -> None:
        self._handles = handles
        self._geometry = Geometry((edge, edge), (edge, edge), resample=2, crop=False)
        generator = np.random.default_rng(1)
        self._pixels: Pixels = generator.integers(0, 256, (edge, edge, 3), dtype=np.uint8)

    async def measure(self, policy: Policy, load: Load) -> Seen:
        """Offer the load under the policy."""
        handle = self._handles[policy.classifier]
        if policy.replicas == 1:  # a call reaches one of them
            await handle.configure.remote(policy.batch_size, policy.wait_ms)
        ask = self._make_ask(policy, HandleBackend(handle))
        cpu, started = time.process_time(), time.perf_counter()
        answers = await play(load, ask)
        used = (time.process_time() - cpu) / (time.perf_counter() - started)
        return Seen(summarize_answers(answers, load), round(used, 2))

    def _make_ask(self, policy: Policy, backend: HandleBackend) -> Ask:
        """Return what sends one image under the policy."""

        async def send(pixels: Pixels, timeout_s: float = math.inf) -> Scored:
            return await backend.predict(Group(pixels, "simulated", self._geometry, timeout_s))

        if not policy.places:

            async def ask_alone() -> str:
                return (await send(self._pixels[None])).revision

            return ask_alone
        coalescer = Coalescer(send, policy.batch_size, policy.replicas, policy.places)

        async def ask_grouped() -> str:
            return (await coalescer.score(self._pixels)).group.revision

        return ask_grouped


def bind_driver(
    gpus: Mapping[str, tuple[type[GroupClassifier], Gpu, int]], edge: int
) -> serve.Application:
    """Bind the driver to classifiers: by name the class, the GPU and the number of replicas."""
    options = {"max_ongoing_requests": ONGOING, "ray_actor_options": {"num_cpus": 0}}
    router = RequestRouterConfig(request_router_class=GroupRouter)
    shared = options | {"request_router_config": router}
    handles = {
        name: serve.deployment(kind, name=name).options(num_replicas=count, **shared).bind(gpu)
        for name, (kind, gpu, count) in gpus.items()
    }
    return serve.deployment(Driver).options(**options).bind(handles, edge)
