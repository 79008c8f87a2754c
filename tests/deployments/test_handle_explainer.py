"""What a call to the explainer may raise, which of it is tried again, and what is cancelled."""

import asyncio

import numpy as np
import pytest

from app.backend import Geometry
from app.deployments import handle_explainer
from app.deployments.handle_explainer import HandleExplainer
from app.errors import DeadlineExceededError, InternalError, ModelUnavailableError, VitrineError
from app.explainer_backend import Explained, ExplainTask
from tests.support.handles import DEFECT, DEVICE, GONE, LATE, SLOW, Handle

TASK = ExplainTask(
    np.zeros((1, 1, 3), np.uint8), (), "occlusion", "r", Geometry((1, 1), None, 2, crop=False)
)
EXPLAINED = Explained(
    "r", (0,), np.zeros(1, np.float32), np.ones((1, 1, 1), np.float32), "occlusion"
)


@pytest.fixture(autouse=True)
def _short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(handle_explainer, "PAUSE_S", 0.0)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([EXPLAINED], EXPLAINED),
        ([GONE, EXPLAINED], EXPLAINED),
        ([DEVICE], ModelUnavailableError),
        ([GONE, GONE], ModelUnavailableError),
        ([LATE], DeadlineExceededError),
        ([DEFECT], InternalError),
    ],
)
def test_an_image_whose_replica_is_gone_is_tried_once_more(
    outcomes: list[object], expected: object
) -> None:
    """And no other."""
    handle = Handle(*outcomes)
    answer: object
    try:
        answer = asyncio.run(HandleExplainer(handle).explain(TASK))
    except VitrineError as error:
        answer = type(error)
    assert answer is expected
    assert len(handle.responses) == len(outcomes)


def test_what_names_the_explainer_is_not_taken_for_the_classifier() -> None:
    """Whoever reads the problem must know which of them is gone."""
    with pytest.raises(ModelUnavailableError, match="The explainer replica is gone"):
        asyncio.run(HandleExplainer(Handle(GONE, GONE)).explain(TASK))


@pytest.mark.parametrize("outcomes", [[SLOW], [GONE, SLOW]])
def test_a_cancelled_call_is_cancelled_at_the_replica(outcomes: list[object]) -> None:
    """So that an explainer need not explain what it has not begun."""
    handle = Handle(*outcomes)

    async def give_up() -> None:
        async with asyncio.timeout(0.1):
            await HandleExplainer(handle).explain(TASK)

    with pytest.raises(TimeoutError):
        asyncio.run(give_up())
    assert handle.responses[-1].is_cancelled
    assert len(handle.responses) == len(outcomes)
