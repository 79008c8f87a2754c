"""The model changes under the images: labels, geometry, and how long that may go on."""

import asyncio
from dataclasses import replace

import pytest

from app.backend import Description, Group, Scored
from app.errors import ModelUnavailableError
from app.prediction import current_model
from app.prediction.predictor import MAX_TRIES, Predictor
from tests.support import samples
from tests.support.fake_backend import FakeBackend
from tests.support.predictors import LIMITS, TOP_1, best_label, start


async def test_a_revision_that_changes_in_flight_gives_its_own_labels() -> None:
    """The answer has the labels and the name of the revision that scored it."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    await predictor.describe()
    backend.hang()
    task = start(predictor, 255)
    await backend.wait_for_groups(1)
    backend.switch_revision()
    backend.resume()
    answer = await task
    assert best_label(answer) == "second white"
    assert answer.response.model.revision == "second"
    assert (await predictor.describe()).revision == "second"
    await start(predictor)
    assert [group.revision for group in backend.groups] == ["first", "second"]
    assert backend.describe_calls == 1


class RollingUpdate:
    """A Backend of several, which take turns: what an ingress sees during a rolling update."""

    def __init__(self, *replicas: FakeBackend) -> None:
        self._replicas = replicas
        self._calls = 0

    async def describe(self) -> Description:
        """Describe the first replica."""
        return await self._replicas[0].describe()

    async def predict(self, group: Group) -> Scored:
        """Score on the replica whose turn it is."""
        self._calls += 1
        return await self._replicas[self._calls % len(self._replicas)].predict(group)

    async def check(self) -> None:
        """Ask the first replica."""
        await self._replicas[0].check()

    def count_classifiers(self) -> int:
        """Count them."""
        return len(self._replicas)

    def count_ingresses(self) -> int:
        """Count one, the test."""
        return 1


async def test_a_rolling_update_never_mislabels() -> None:
    """While two revisions answer in turn, each label is one of the revision that is named."""
    old, new = FakeBackend(), FakeBackend()
    new.switch_revision()
    predictor = Predictor(RollingUpdate(old, new), replace(LIMITS, max_queue=100))
    answers = await asyncio.gather(*(start(predictor, 255) for _ in range(40)))
    labels = {"first": "white", "second": "second white"}
    for answer in answers:
        assert best_label(answer) == labels[answer.response.model.revision]
    assert {answer.response.model.revision for answer in answers} == set(labels)


async def test_an_image_is_read_again_when_the_geometry_changes() -> None:
    """A group refused for its geometry is read again; the caller notices nothing."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    await predictor.describe()
    backend.switch_geometry(6)
    answer = await start(predictor, 255)
    assert best_label(answer) == "resized white"
    assert [group.pixels.shape for group in backend.groups] == [(1, 8, 8, 3), (1, 6, 6, 3)]
    await start(predictor)
    assert len(backend.groups) == 3


class RestlessBackend(FakeBackend):
    """A FakeBackend that has another geometry at each call."""

    async def predict(self, group: Group) -> Scored:
        """Change, then answer."""
        self.switch_geometry(10 + len(self.groups), f"number {len(self.groups)}")
        return await super().predict(group)


async def test_a_geometry_that_never_rests_is_an_unavailable_model() -> None:
    """An image is read MAX_TRIES times and no more."""
    backend = RestlessBackend()
    predictor = Predictor(backend, replace(LIMITS, max_queue=1))
    for calls in (1, 2):
        with pytest.raises(ModelUnavailableError, match="being changed"):
            await predictor.classify(samples.encode_grey(0), TOP_1)
        assert len(backend.groups) == calls * MAX_TRIES


async def test_a_model_that_changed_without_an_image_is_described(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An ingress that began in a rolling update asked an old replica; it asks again in seconds."""
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    assert (await predictor.describe()).revision == "first"
    backend.switch_revision()
    assert (await predictor.describe()).revision == "first"
    monkeypatch.setattr(current_model, "MAX_AGE_S", 0.0)
    assert (await predictor.describe()).revision == "second"
    assert backend.describe_calls == 2


async def test_a_model_that_does_not_answer_is_described_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Labels are told while no classifier answers, or it fails."""
    monkeypatch.setattr(current_model, "MAX_AGE_S", 0.0)
    monkeypatch.setattr(current_model, "CONFIRM_S", 0.05)
    backend = FakeBackend()
    predictor = Predictor(backend, LIMITS)
    known = await predictor.describe()
    backend.hang()
    assert await predictor.describe() == known
    backend.resume()
    backend.fail(ModelUnavailableError("gone"))
    assert await predictor.describe() == known
