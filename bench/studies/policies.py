"""What the policy study compares: simulated GPUs, batch policies, and the loads they meet."""

import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.client.generator import draw_schedule, run_open

RATES = (100, 500, 1500)
REPLICAS = (1, 2, 4)
SATURATION = 1.3
"""Images offered to replicas, as a share of what they can do."""

DEADLINE_MS, SLOW_DEADLINE_MS = 500.0, 2500.0
"""An answer that takes longer is no good; a full queue alone takes 220 ms of the fast GPU. The
slow GPU is a fifth as fast."""

WARM_S = 0.5
"""Seconds at the start of each load that do not count."""

Answer = tuple[float, float, str | None]
"""Of one request the seconds when it was answered, its milliseconds, and the name of its batch;
None where it was refused or failed."""


@dataclass(frozen=True)
class Gpu:
    """A batch of n images takes `fixed_ms + image_ms * n`."""

    fixed_ms: float
    image_ms: float

    def compute_capacity(self, batch_size: int = 32) -> float:
        """Return the images/s of full batches."""
        return 1000 * batch_size / (self.fixed_ms + self.image_ms * batch_size)


FAST, SLOW = Gpu(fixed_ms=8, image_ms=0.6), Gpu(fixed_ms=20, image_ms=4)


@dataclass(frozen=True)
class Policy:
    """How images become batches: `slots` partial groups in flight for each replica.

    0 slots send every image alone; `@serve.batch` waits `wait_ms` for a batch to fill.
    """

    name: str
    classifier: str
    slots: int = 2
    batch_size: int = 32
    wait_ms: float = 0
    replicas: int = 1


POLICIES = (
    *(Policy(f"groups, W = {slots}", "groups", slots) for slots in (1, 2, 4)),
    *(Policy(f"groups of {size}, W = 2", "groups", 2, size) for size in (8, 16, 64)),
    Policy("groups, W = 2, wait 2 ms", "groups", wait_ms=2),
    *(Policy(f"plain, wait {wait} ms", "plain", 0, wait_ms=wait) for wait in (0, 2, 5, 10)),
)
"""The policies for one replica of the fast GPU; plain is `@serve.batch` alone."""

SCALED = tuple(Policy(f"x{count}", f"slow-{count}", replicas=count) for count in REPLICAS)
"""The same policy on more replicas of the slow GPU."""


@dataclass(frozen=True)
class Load:
    """How much is offered, for how long, and when it is too much or too late."""

    rate: float
    seconds: float
    seed: int
    queue: int
    deadline_ms: float


def list_cells() -> list[tuple[Policy, float, float]]:
    """List the policies with their offered rates and deadlines; more replicas get more."""
    cells = [(policy, rate, DEADLINE_MS) for rate in RATES for policy in POLICIES]
    one = SATURATION * SLOW.compute_capacity()
    return cells + [(policy, one * policy.replicas, SLOW_DEADLINE_MS) for policy in SCALED]


async def play(load: Load, ask: Callable[[], Awaitable[str]]) -> list[Answer]:
    """Offer the load, an image at a time; refuse what finds the queue full, as an ingress does."""
    answers: list[Answer] = []
    in_flight, started = 0, time.perf_counter()

    async def send(due: float) -> None:
        nonlocal in_flight
        batch = None
        if in_flight < load.queue:
            in_flight += 1
            with contextlib.suppress(Exception):  # a failure is no answer, whatever it is
                batch = await ask()
            in_flight -= 1
        now = time.perf_counter()
        answers.append((now - started, 1000 * (now - due), batch))

    await run_open(send, draw_schedule(load.rate, WARM_S + load.seconds, load.seed))
    return answers


def summarize_answers(answers: Sequence[Answer], load: Load) -> dict[str, float]:
    """Return goodput (answers in time), all answers, latencies and batch size of one load.

    Counted is what is answered between the warm-up and the end of the load: a queue that fills is
    no throughput. Latencies are 0 without an answer.
    """
    ends = WARM_S + load.seconds
    counted = [(ms, batch) for at_s, ms, batch in answers if batch and WARM_S <= at_s < ends]
    p50, p99 = np.percentile([ms for ms, _ in counted] or [0.0], (50, 99)).tolist()
    batches = len({batch for _, batch in counted})
    return {
        "goodput": round(sum(ms <= load.deadline_ms for ms, _ in counted) / load.seconds, 1),
        "answered": round(len(counted) / load.seconds, 1),
        "p50_ms": round(p50, 1),
        "p99_ms": round(p99, 1),
        "batch": round(len(counted) / max(1, batches), 1),
    }
