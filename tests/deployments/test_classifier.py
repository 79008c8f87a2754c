"""Reloads of one classifier that overlap, are cancelled or fail; Serve's part is not started."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ray import serve

from app.classifier import startup
from app.deployments import classifier
from app.errors import CheckpointError
from app.settings import Settings


class Loader:
    """Loads models whose revisions count the loads; while `gate` is not set, a load waits."""

    def __init__(self) -> None:
        self.loads = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, _settings: Settings, _sharing: int) -> SimpleNamespace:
        """Load."""
        self.loads += 1
        revision = str(self.loads)
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        description = SimpleNamespace(revision=revision)
        return SimpleNamespace(engine=SimpleNamespace(slots=1), description=description)


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    """What loads the models."""
    loader = Loader()
    context = SimpleNamespace(replica_id=SimpleNamespace(unique_id="r"))
    monkeypatch.setattr(startup, "load_model", loader)
    monkeypatch.setattr(classifier, "configure_replica", lambda *_: None)
    monkeypatch.setattr(classifier, "count_sharing", lambda _: 1)
    monkeypatch.setattr(serve, "get_replica_context", lambda: context)
    return loader


def make_classifier() -> Any:  # noqa: ANN401 - Serve's decorator hides the class
    """Make the classifier, which loads its first model."""
    return classifier.Classifier.func_or_class(Settings(), None)  # type: ignore[attr-defined]


async def begin(one: Any, loader: Loader, loads: int) -> asyncio.Task[Any]:  # noqa: ANN401
    """Call `reload`, and wait until so many loads have begun."""
    call = asyncio.create_task(one.reload())
    while loader.loads < loads:  # noqa: ASYNC110 - they begin in threads
        await asyncio.sleep(0.01)
    return call


def test_calls_at_once_share_a_load_and_later_ones_get_one_more(loader: Loader) -> None:
    """A load that has begun may have read files that have changed since."""

    async def run() -> None:
        one = make_classifier()
        told = await asyncio.gather(*(one.reload() for _ in range(5)))
        assert {outcome.revision for outcome in told} == {"2"}
        loader.gate.clear()
        first = await begin(one, loader, 3)
        later = [asyncio.create_task(one.reload()) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert loader.loads == 3
        loader.gate.set()
        assert (await first).revision == "3"
        assert {outcome.revision for outcome in await asyncio.gather(*later)} == {"4"}

    asyncio.run(run())


def test_a_cancelled_call_lets_no_second_load_begin_beside_its_own(loader: Loader) -> None:
    """Two models at once would not fit; the load that goes on is taken over."""

    async def run() -> None:
        one = make_classifier()
        loader.gate.clear()
        first = await begin(one, loader, 2)
        first.cancel()
        later = asyncio.create_task(one.reload())
        await asyncio.sleep(0.05)
        assert loader.loads == 2
        assert first.cancelled()
        loader.gate.set()
        assert (await later).revision == "3"

    asyncio.run(run())


def test_a_load_that_fails_keeps_the_model(loader: Loader) -> None:
    """The caller learns why, and the next call loads again."""

    async def run() -> None:
        one = make_classifier()
        loader.error = CheckpointError("no weights")
        assert await one.reload() == ("r", "1", "no weights")
        loader.error = None
        assert await one.reload() == ("r", "3", None)

    asyncio.run(run())
