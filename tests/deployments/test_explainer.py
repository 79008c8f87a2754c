"""Which tasks an explainer takes together, and which are late; Serve's part is not started."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from ray import serve

from app.backend import Geometry
from app.classifier.explanation import current
from app.deployments import explainer
from app.deployments.explainer import MAX_BATCH
from app.errors import ModelUnavailableError, ProblemError
from app.explainer_backend import Explained, ExplainTask
from app.settings import Settings

TASK = ExplainTask(
    np.zeros((1, 1, 3), np.uint8), (), "rollout", "a", Geometry((1, 1), None, 2, crop=False)
)

_kept: list[object] = []
"""Explainers whose serve.batch would open an event loop, and leave it open, to be collected."""


class Recorder:
    """Stands for the model: keeps the batches; while `gate` is not set, a batch waits."""

    def __init__(self, _: object) -> None:
        self.batches: list[list[ExplainTask]] = []
        self.gate = threading.Event()

    def prepare(self, tasks: Sequence[ExplainTask]) -> None:
        """Load nothing."""
        assert len({task.revision for task in tasks}) == 1

    def explain(self, tasks: Sequence[ExplainTask]) -> list[Explained | ProblemError]:
        """Explain: revision "gone" is refused."""
        self.batches.append([*tasks])
        assert self.gate.wait(10)
        if tasks[0].revision == "gone":
            return [ModelUnavailableError("gone")] * len(tasks)
        nothing = np.zeros((1, 1, 1), np.float32)
        return [Explained(one.revision, (0,), nothing[0, 0], nothing, one.method) for one in tasks]


@pytest.fixture(autouse=True)
def _no_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment's class runs here, over a recorder."""
    monkeypatch.setattr(explainer, "configure_replica", lambda *_: None)
    monkeypatch.setattr(current, "CurrentExplainer", Recorder)
    config = SimpleNamespace(max_ongoing_requests=100)  # serve.batch looks at it
    context = SimpleNamespace(_deployment_config=config, app_name="", deployment="Explainer")
    monkeypatch.setattr(serve, "get_replica_context", lambda: context)


async def ask(*tasks: ExplainTask) -> tuple[list[str], list[list[ExplainTask]]]:
    """Have one task begin, then these wait; gives what each is told, and the batches after it."""
    shell = explainer.Explainer.func_or_class(Settings(), None)  # type: ignore[attr-defined]
    _kept.append(shell)
    recorder = shell._current  # noqa: SLF001
    first = asyncio.create_task(shell.explain(TASK))
    while not (recorder.batches or first.done()):  # noqa: ASYNC110 - it begins in a thread
        await asyncio.sleep(0.01)
    waiting = []
    for task in tasks:
        waiting.append(asyncio.create_task(shell.explain(task)))
        await asyncio.sleep(0.01)  # each by itself, as requests come
    recorder.gate.set()
    answers = await asyncio.gather(first, *waiting, return_exceptions=True)
    told = [one.revision if isinstance(one, Explained) else type(one).__name__ for one in answers]
    return told[1:], recorder.batches[1:]


async def test_those_that_wait_are_explained_together() -> None:
    """Up to so many at once."""
    told, batches = await ask(*[TASK] * (MAX_BATCH + 1))
    assert told == ["a"] * (MAX_BATCH + 1)
    assert [len(batch) for batch in batches] == [MAX_BATCH, 1]


async def test_each_revision_is_explained_by_itself() -> None:
    """Each task is answered as its own revision is, in its place."""
    told, batches = await ask(*(replace(TASK, revision=name) for name in ("a", "gone", "b", "a")))
    assert told == ["a", "ModelUnavailableError", "b", "a"]
    revisions = [[task.revision for task in batch] for batch in batches]
    assert revisions == [["a", "a"], ["gone"], ["b"]]


async def test_a_task_whose_time_is_up_is_not_explained() -> None:
    """Nobody waits for it."""
    told, batches = await ask(replace(TASK, timeout_s=0.001), TASK)
    assert told == ["DeadlineExceededError", "a"]
    assert [len(batch) for batch in batches] == [1]


async def test_occlusion_waits_alone() -> None:
    """One of it takes as long as some fifty others, and none of them waits for it in its batch."""
    occlusion = replace(TASK, method="occlusion")
    _, batches = await ask(TASK, TASK, occlusion, occlusion, TASK)
    assert [len(batch) for batch in batches] == [2, 1, 1, 1]
