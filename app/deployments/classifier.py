"""The classifier deployment: `Model` behind `@serve.batch`, which merges waiting groups."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ray import serve

from app.backend import Description, Group, Scored
from app.classifier import metrics
from app.classifier.gpu_metrics import read_gpu
from app.deployments.batch_gate import BatchGate
from app.deployments.batch_span import trace_batch
from app.deployments.collect_metrics import take_replica_snapshot
from app.deployments.load_meter import LOAD, LoadMeter, SenderCount
from app.deployments.reload import ReloadOutcome
from app.deployments.replica import STOP_S, configure_replica, count_sharing
from app.errors import DeadlineExceededError, StartupError
from app.observability.metrics import Snapshot
from app.observability.tracing import start_tracing
from app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.classifier.model import Model
    from app.observability.spans import Tracing

_logger = logging.getLogger("vitrine.classifier")


class QueuedGroup(NamedTuple):
    """A waiting group and its deadline, by the monotonic clock."""

    group: Group
    until: float


def _count_images(batch: list[QueuedGroup]) -> int:
    """Size of a batch. It must not raise: that would hang Serve's queue (ray issue 66140)."""
    return sum(len(queued.group.pixels) for queued in batch)


@serve.deployment(
    health_check_period_s=5,
    graceful_shutdown_timeout_s=STOP_S,
    graceful_shutdown_wait_loop_s=0.1,
    max_constructor_retry_count=1,
)
class Classifier:
    """Runs the model on batches of groups. A shell: all it does is `Model`'s."""

    _tracing: "Tracing | None" = None

    def __init__(self, settings: Settings, log_pipe: Path | None) -> None:
        configure_replica(settings, log_pipe)
        self._load = self.choose_loader(settings)
        self._model = self._load()
        metrics.show_health(self._check_model)
        self._reloading = asyncio.Lock()
        self._next_reload: asyncio.Task[ReloadOutcome] | None = None
        self._load_meter = LoadMeter(settings.batch_size)
        self._senders = SenderCount()
        self._tracing = start_tracing("classifier", samples_all=True)  # ingresses have chosen
        slots = self._model.engine.slots
        self._gate = BatchGate(settings.batch_size, slots)
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="model")
        self._score = serve.batch(
            self._score_batch,
            max_batch_size=settings.batch_size,
            batch_wait_timeout_s=0,
            max_concurrent_batches=slots,
            batch_size_fn=_count_images,
        )

    @staticmethod
    def choose_loader(settings: Settings) -> "Callable[[], Model]":
        """Choose what loads the model."""
        from app.classifier.startup import load_model  # noqa: PLC0415 - torch may load here

        return partial(load_model, settings, count_sharing(settings.most_classifiers))

    def __del__(self) -> None:
        """Send the last spans: Serve calls this before it ends a replica."""
        if self._tracing is not None:
            self._tracing.close()

    async def reload(self) -> ReloadOutcome:
        """Load the checkpoint anew beside the model that serves, and swap when it is warm.

        Calls share a load that has not begun, and a load goes on when its callers are cancelled.
        """
        if self._next_reload is None:
            self._next_reload = asyncio.create_task(self._swap_model())
        return await asyncio.shield(self._next_reload)

    async def _swap_model(self) -> ReloadOutcome:
        """Load the checkpoint after the load that runs, if any."""
        replica, error = serve.get_replica_context().replica_id.unique_id, None
        async with self._reloading:
            self._next_reload = None  # a call that comes later may find other files
            try:
                self._model = await asyncio.to_thread(self._load)
            except (StartupError, RuntimeError, MemoryError) as exc:
                metrics.reloads.labels("failed").inc()
                _logger.warning("the reload failed, so the previous model stays: %s", exc)
                error = str(exc)
            else:
                metrics.reloads.labels("loaded").inc()
            return ReloadOutcome(replica, self._model.description.revision, error)

    async def describe(self) -> Description:
        """Describe the model."""
        return self._model.description

    def _check_model(self) -> None:
        """Check the model that serves now; raises ModelUnavailableError."""
        self._model.check()

    async def check(self) -> None:
        """Check the model, past the queue; raises ModelUnavailableError."""
        self._model.check()
        if not self._model.is_busy:  # in the model's thread: an engine runs `slots` batches at once
            await asyncio.get_running_loop().run_in_executor(self._threads, self._model.run_probe)

    async def check_health(self) -> None:
        """Check the model for Serve, which replaces a replica that raises."""
        self._model.check()

    async def take_metrics(self) -> Snapshot:
        """Take the snapshot of this replica's metrics."""
        return await take_replica_snapshot(
            await asyncio.to_thread(read_gpu, self._model.description.device)
        )

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Record this replica's load for `ScaleByLoad`; probes are no part of it."""
        return {LOAD: self._load_meter.read(self._model.best_rate)}

    async def predict(self, group: Group) -> Scored:
        """Score a group, in one batch with other waiting ones.

        Raises:
            DeadlineExceededError: its deadline passed before it ran.
        """
        queued = QueuedGroup(group, time.monotonic() + group.timeout_s)
        images = len(group.pixels)
        with self._load_meter.hold(images):
            async with self._gate.enter(images):
                scored: Scored | None = await self._score(queued)
        if scored is None:
            raise DeadlineExceededError("The images were not scored in time.")
        senders = self._senders.count(group.sender)
        return scored if senders == 1 else replace(scored, senders=senders)

    async def _score_batch(self, batch: list[QueuedGroup]) -> list[Scored | None]:
        """Score one batch in the model's thread; None for groups whose deadline has passed."""
        now, loop = time.monotonic(), asyncio.get_running_loop()
        groups = [queued.group for queued in batch if queued.until > now]
        began = time.perf_counter()
        scored = await loop.run_in_executor(self._threads, self._model.score, groups)
        if self._tracing is not None:
            scored = trace_batch(self._tracing, began, groups, scored)
        answers = iter(scored)
        return [next(answers) if queued.until > now else None for queued in batch]
