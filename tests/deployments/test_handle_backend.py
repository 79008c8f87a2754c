"""What a call over a Serve handle may raise, which of it is tried again, and what is cancelled."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from ray.serve._private.common import DeploymentID
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from app.backend import Geometry, Group, Scored
from app.deployments import handle_backend
from app.deployments.group_router import GroupRouter
from app.deployments.handle_backend import HandleBackend
from app.deployments.reload import ReloadOutcome
from app.errors import (
    DeadlineExceededError,
    ImageTooLargeError,
    InternalError,
    ModelUnavailableError,
    OverloadedError,
    VitrineError,
)
from tests.support.handles import DEFECT, DEVICE, GONE, LATE, SLOW, Handle, wrap

GROUP = Group(np.zeros((1, 1, 1, 3), np.uint8), "r", Geometry((1, 1), None, 2, crop=False))
SCORED = Scored("r", np.zeros((1, 2), np.float32), None, 1.0)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(handle_backend, "PAUSES_S", (0.0, 0.01))


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([SCORED], SCORED),
        ([GONE, SCORED], SCORED),
        ([GONE, GONE, SCORED], SCORED),
        ([DEVICE, SCORED], SCORED),
        ([GONE, GONE, GONE], ModelUnavailableError),
        ([LATE], DeadlineExceededError),
        ([GONE, LATE], DeadlineExceededError),
        ([DEFECT], InternalError),
    ],
)
def test_only_a_replica_that_is_gone_is_worth_another_try(
    outcomes: list[object], expected: object
) -> None:
    """And not for ever."""
    handle = Handle(*outcomes)
    answer: object
    try:
        answer = asyncio.run(HandleBackend(handle).predict(GROUP))
    except VitrineError as error:
        answer = type(error)
    assert answer == expected
    assert len(handle.responses) == len(outcomes)


@pytest.mark.parametrize("outcomes", [[SLOW], [GONE, SLOW]])
def test_a_cancelled_call_is_cancelled_at_the_replica(outcomes: list[object]) -> None:
    """So that a classifier need not score what it has not begun."""
    handle = Handle(*outcomes)

    async def give_up() -> None:
        async with asyncio.timeout(0.1):
            await HandleBackend(handle).predict(GROUP)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert handle.responses[-1].is_cancelled
    assert len(handle.responses) == len(outcomes)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (wrap(ImageTooLargeError("ours")), ImageTooLargeError),
        (wrap(RuntimeError("SECRET")), InternalError),
        (BackPressureError(num_queued_requests=1, max_queued_requests=1), OverloadedError),
        (GONE, ModelUnavailableError),
        (DeploymentUnavailableError(DeploymentID("Classifier")), ModelUnavailableError),
        (grpc.RpcError("SECRET"), ModelUnavailableError),
    ],
)
def test_what_ray_raises_becomes_one_of_our_errors(
    raised: Exception, expected: type[VitrineError]
) -> None:
    """Its text, which holds a remote traceback, is not shown."""
    backend = HandleBackend(Handle(raised, raised))
    for call in (backend.describe, backend.check):
        with pytest.raises(VitrineError) as caught:
            asyncio.run(call())
        assert type(caught.value) is expected
        assert "SECRET" not in str(caught.value)


class Broadcast:
    """A handle whose broadcast gives outcomes, or runs into its timeout."""

    def __init__(self, *outcomes: object) -> None:
        self.predict = self.describe = self.check = None
        self._outcomes = outcomes

    def broadcast(self, _name: str) -> "Broadcast":
        """Call all replicas."""
        return self

    async def results_async(self, *, timeout_s: float, return_exceptions: bool) -> list[object]:
        """Collect the outcomes."""
        assert return_exceptions
        await asyncio.wait_for(asyncio.sleep(0 if self._outcomes else 60), timeout_s)
        return list(self._outcomes)


def test_a_reload_tells_of_each_replica_why_it_did_not_load() -> None:
    """No image was involved, so none is blamed."""
    loaded = ReloadOutcome("a", "new", None)
    backend = HandleBackend(Broadcast(loaded, DEFECT, GONE))
    first, *failed = asyncio.run(backend.reload())
    assert first == loaded
    assert [outcome.error for outcome in failed] == [
        "The load failed unexpectedly; the log has the traceback.",
        "The classifier replica is gone; a new one is starting.",
    ]


def test_a_reload_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that hangs must not keep the next reload from being asked for."""
    monkeypatch.setattr(handle_backend, "RELOAD_S", 0.01)
    with pytest.raises(DeadlineExceededError, match="has not answered in 0 s"):
        asyncio.run(HandleBackend(Broadcast()).reload())


async def test_ingresses_share_the_classifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of senders that a classifier has told of, and of replicas that Serve has."""
    monkeypatch.setattr(GroupRouter, "running", 6)
    handle: Any = Handle(SCORED, replace(SCORED, senders=4))
    backend = HandleBackend(handle)
    for expected in (1, 4):
        await backend.predict(GROUP)
        assert (backend.count_classifiers(), backend.count_ingresses()) == (6, expected)
