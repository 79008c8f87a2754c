"""The explainer deployment: finds where the model looked, without delaying a prediction.

It is a process of its own that computes at the lowest priority. It starts with the first
explanation that is asked for, or with the page, and ends when none was asked for in a while.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ray import serve

from app.classifier.explanation.support import OCCLUSION
from app.deployments.batch_gate import BatchGate
from app.deployments.replica import STOP_S, configure_replica
from app.errors import DeadlineExceededError, ProblemError
from app.explainer_backend import Explained, ExplainTask
from app.images.overlay import draw_map
from app.machine import count_cores
from app.settings import Settings

if TYPE_CHECKING:
    from app.classifier.explanation.model_explainer import ModelExplainer

MAX_BATCH = 4
"""Images that are explained at once."""

LOWEST_PRIORITY = 19
"""nice(2) of the threads that compute: what a prediction needs, it has first."""

Outcome = Explained | ProblemError


class QueuedTask(NamedTuple):
    """A waiting task and its deadline, by the monotonic clock."""

    task: ExplainTask
    until: float


@serve.deployment(
    health_check_period_s=5,
    graceful_shutdown_timeout_s=STOP_S,
    graceful_shutdown_wait_loop_s=0.1,
)
class Explainer:
    """Explains batches of images. A shell: the maps are `app.classifier.explanation`'s."""

    def __init__(self, settings: Settings, log_pipe: Path | None) -> None:
        configure_replica(settings, log_pipe)
        self._settings = settings
        from app.classifier.explanation.current import CurrentExplainer  # noqa: PLC0415 - torch loads

        self._current = CurrentExplainer(self._open)
        self._thread = ThreadPoolExecutor(1, "explain", initializer=_lower_priority)
        self._gate = BatchGate(MAX_BATCH, 1)
        self._look = serve.batch(
            self._explain_batch,
            max_batch_size=MAX_BATCH,
            batch_wait_timeout_s=0,
            max_concurrent_batches=1,
        )

    async def check_health(self) -> None:
        """Check the explainer for Serve, which replaces a replica that raises."""
        self._current.check()

    async def explain(self, task: ExplainTask) -> Explained:
        """Explain an image, in one batch with other waiting ones; raises ProblemError.

        Occlusion takes some fifty predictions: alone, so that no other image waits for several.
        """
        queued = QueuedTask(task, time.monotonic() + task.timeout_s)
        async with self._gate.enter(MAX_BATCH if task.method == OCCLUSION else 1):
            outcome: Outcome = await self._look(queued)
        if isinstance(outcome, ProblemError):
            raise outcome
        return outcome

    async def _explain_batch(self, batch: list[QueuedTask]) -> list[Outcome]:
        """Explain one batch in the thread, once the module that it needs is loaded.

        The load has the usual priority: at the lowest it would wait while predictions are busy.
        An engine is loaded in the thread, because its threads keep the priority of their maker.
        """
        tasks = [queued.task for queued in batch if queued.task.method != OCCLUSION]
        for revision in dict.fromkeys(task.revision for task in tasks):
            same = [task for task in tasks if task.revision == revision]
            await asyncio.to_thread(self._current.prepare, same)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, batch)

    def _run(self, batch: Sequence[QueuedTask]) -> list[Outcome]:
        """Explain tasks, those of one revision together; draw what is to be drawn."""
        now = time.monotonic()
        late = DeadlineExceededError("The image was not explained in time.")
        outcomes: list[Outcome] = [late] * len(batch)
        places = [place for place, queued in enumerate(batch) if queued.until > now]
        for revision in dict.fromkeys(batch[place].task.revision for place in places):
            same = [place for place in places if batch[place].task.revision == revision]
            found = self._current.explain([batch[place].task for place in same])
            for place, one in zip(same, found, strict=True):
                picture = batch[place].task.picture
                outcomes[place] = draw_map(one, picture) if isinstance(one, Explained) else one
        return outcomes

    def _open(self, revision: str) -> "ModelExplainer":
        """Open the checkpoint, at this commit if it is of the Hub; raises StartupError."""
        from app.classifier.checkpoint.files import is_local  # noqa: PLC0415
        from app.classifier.explanation.model_explainer import ModelExplainer  # noqa: PLC0415 - torch loads
        from app.classifier.opening import open_configured  # noqa: PLC0415
        from app.classifier.startup import read_engine_options  # noqa: PLC0415

        settings = self._settings
        commit = settings.revision if is_local(settings.model) else revision
        checkpoint = open_configured(settings.model_copy(update={"revision": commit}))
        options = read_engine_options(settings)
        if not settings.explainer_gpus:  # fp16 needs a GPU, and compile a minute
            precision = "auto" if options.precision == "fp16" else options.precision
            engine = "auto" if options.engine == "compile" else options.engine
            options = replace(options, device="cpu", precision=precision, engine=engine)
        return ModelExplainer(checkpoint, options, count_cores())


def _lower_priority() -> None:
    """Give the calling thread, and those that it starts, the CPU that nothing else wants (Linux).

    SCHED_IDLE is lower still than niceness 19 (sched(7)), which predictions felt.
    """
    os.setpriority(os.PRIO_PROCESS, 0, LOWEST_PRIORITY)  # where a sandbox has nothing lower
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
