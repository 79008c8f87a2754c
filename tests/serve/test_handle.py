"""A call whose replica is gone goes to another; every other error is told at once."""

import json
import subprocess
import sys

import pytest

from tests.support.service import ROOT, make_environment

SCRIPT = """
import asyncio, json, sys
import numpy as np
from ray.exceptions import ActorDiedError, RayTaskError
from app.deployments import handle_backend
from app.backend import Geometry, Group
from app.errors import DeadlineExceededError, ModelUnavailableError, VitrineError

handle_backend.PAUSES_S = (0.0, 0.01)
ERRORS = {
    "gone": ActorDiedError(),
    "device": RayTaskError("predict", "", ModelUnavailableError("the device")),
    "late": RayTaskError("predict", "", DeadlineExceededError("too late")),
    "defect": RayTaskError("predict", "", ZeroDivisionError()),
}

class Method:
    def __init__(self, words):
        self.words, self.calls = words, 0

    def remote(self, *_):
        self.calls += 1
        return Response(self.words.pop(0))

class Response:
    cancelled = 0

    def __init__(self, word):
        self.word = word

    def __await__(self):
        return self.answer().__await__()

    async def answer(self):
        if self.word in ERRORS:
            raise ERRORS[self.word]
        await asyncio.sleep(60 if self.word == "slow" else 0)
        return self.word

    def cancel(self):
        Response.cancelled += 1

class Handle:
    def __init__(self, words):
        self.predict = self.describe = self.check = Method(words)

async def predict(words):
    double = Handle(words.split())
    group = Group(np.zeros((1, 1, 1, 3), np.uint8), "r", Geometry((1, 1), None, 2, crop=False))
    try:
        async with asyncio.timeout(0.5):
            told = await handle_backend.HandleBackend(double).predict(group)
    except VitrineError as error:
        told = type(error).__name__
    except TimeoutError:
        told = f"{Response.cancelled} cancelled"
    return [told, double.predict.calls]

print(json.dumps([asyncio.run(predict(words)) for words in sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, list[object]]:
    """What comes of a group, and how often it was sent, by what each call meets."""
    cases = ["scored", "gone scored", "gone gone scored", "gone gone gone", "device scored"]
    cases += ["late", "gone late", "defect", "slow", "gone slow"]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *cases],
        cwd=ROOT,
        env=make_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return dict(zip(cases, json.loads(done.stdout.splitlines()[-1]), strict=True))


@pytest.mark.parametrize(
    ("case", "answer", "calls"),
    [
        ("scored", "scored", 1),
        ("gone scored", "scored", 2),
        ("gone gone scored", "scored", 3),
        ("device scored", "scored", 2),
        ("gone gone gone", "ModelUnavailableError", 3),
        ("late", "DeadlineExceededError", 1),
        ("gone late", "DeadlineExceededError", 2),
        ("defect", "InternalError", 1),
    ],
)
def test_only_a_replica_that_is_gone_is_worth_another_try(
    told: dict[str, list[object]], case: str, answer: str, calls: int
) -> None:
    """And not for ever."""
    assert told[case] == [answer, calls]


@pytest.mark.parametrize(("case", "cancelled", "calls"), [("slow", 1, 1), ("gone slow", 2, 2)])
def test_a_call_that_nobody_waits_for_is_cancelled(
    told: dict[str, list[object]], case: str, cancelled: int, calls: int
) -> None:
    """So that a classifier need not score what it has not begun; one for each case until then."""
    assert told[case] == [f"{cancelled} cancelled", calls]
