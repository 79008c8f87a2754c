"""The explainer starts for whoever opens the page, where no key is needed."""

import asyncio

import httpx
import pytest

from app.api.services import build_services
from app.auth.keys import Key, hash_key, parse_keys
from app.explainer_backend import Explained, ExplainTask
from app.prediction import explanations
from app.prediction.explanations import Explanations
from app.prediction.predictor import Predictor
from tests.support.explaining_app import load_explainer
from tests.support.http_app import LIMITS, URL, open_services
from tests.support.service import ANN


class Counter:
    """The real explainer, which keeps its tasks."""

    def __init__(self) -> None:
        self.backend, self._explainer = load_explainer()
        self.tasks: list[ExplainTask] = []

    async def explain(self, task: ExplainTask) -> Explained:
        """Explain."""
        self.tasks.append(task)
        return await self._explainer.explain(task)


async def open_pages(counter: Counter, keys: tuple[Key, ...] = ()) -> None:
    """Open the page before the model is known, and often afterwards."""
    predictor = Predictor(counter.backend, LIMITS)
    services = build_services(predictor, keys, explanations=Explanations(predictor, counter))
    async with open_services(services) as client:
        for path in ("/", "/labels", "/", "/", "/"):
            answer = await client.send(
                httpx.Request("GET", URL + path, headers={"X-API-Key": ANN} if keys else {})
            )
            assert answer.status_code == 200
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("warm_s", "expected"), [(60.0, 1), (0.0, 3)])
def test_a_page_starts_the_explainer_now_and_then(
    warm_s: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not with each page: a blank image may take as long as fifty predictions."""
    monkeypatch.setattr(explanations, "WARM_S", warm_s)
    counter = Counter()
    asyncio.run(open_pages(counter))
    assert len(counter.tasks) == expected


def test_where_a_key_is_needed_no_page_starts_anything() -> None:
    """The page itself is open, and who opens it may have no key."""
    counter = Counter()
    asyncio.run(open_pages(counter, parse_keys(f"ann:{hash_key(ANN)}")))
    assert counter.tasks == []
