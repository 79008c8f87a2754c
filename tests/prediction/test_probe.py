"""The health probe: a successful inference, recently or now."""

import asyncio
import time
from contextvars import ContextVar
from dataclasses import replace

import numpy as np
import pytest

from app.backend import Group, Scored
from app.errors import InternalError, ModelUnavailableError
from app.prediction import probe as probes
from app.prediction.predictor import Predictor
from app.prediction.probe import MAX_AGE_S, Probe
from schemas import PredictOptions
from tests.support import samples
from tests.support.fake_backend import DESCRIPTION, FakeBackend
from tests.support.predictors import LIMITS


def make_predictor(backend: FakeBackend, max_queue: int = 8) -> Predictor:
    """Make a predictor over `backend`."""
    return Predictor(backend, replace(LIMITS, max_queue=max_queue))


def age(predictor: Predictor) -> None:
    """Make the last success too old to count."""
    predictor.last_success = time.monotonic() - MAX_AGE_S - 1


async def test_a_fresh_inference_counts() -> None:
    """After a user's image was answered, health costs no inference."""
    backend = FakeBackend()
    predictor = make_predictor(backend)
    await predictor.classify(samples.encode("PNG RGB"), PredictOptions())
    description, last_s = await Probe(predictor).check()
    assert description == DESCRIPTION
    assert last_s is not None
    assert 0 <= last_s < MAX_AGE_S
    assert len(backend.groups) == 1


async def test_the_first_check_sends_an_image() -> None:
    """Before the first image, health is proven by one of its own."""
    backend = FakeBackend()
    _, last_s = await Probe(make_predictor(backend)).check()
    assert last_s is not None
    assert last_s < MAX_AGE_S
    assert [group.pixels.shape[0] for group in backend.groups] == [1]


async def test_a_stale_inference_causes_one_probe() -> None:
    """An inference too long ago does not count; the probe's then does."""
    backend = FakeBackend()
    predictor = make_predictor(backend)
    probe = Probe(predictor)
    await probe.check()
    age(predictor)
    await probe.check()
    await probe.check()
    assert len(backend.groups) == 2


@pytest.mark.parametrize("error", [ModelUnavailableError("gone"), InternalError("id 1")])
async def test_a_probe_that_fails_is_an_unavailable_model(error: ModelUnavailableError) -> None:
    """The error says why; a later success is healthy again."""
    backend = FakeBackend()
    predictor = make_predictor(backend)
    probe = Probe(predictor)
    await probe.check()
    age(predictor)
    backend.fail(error)
    with pytest.raises(ModelUnavailableError, match=f"No inference succeeds now: {error}"):
        await probe.check()
    backend.fail(None)
    await probe.check()


async def test_a_full_queue_that_does_not_move_is_unhealthy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A replica at capacity without a recent success is unhealthy."""
    monkeypatch.setattr(probes, "PROBE_TIMEOUT_S", 0.05)
    backend = FakeBackend()
    predictor = make_predictor(backend, max_queue=1)
    await predictor.describe()
    backend.hang()
    stuck = asyncio.create_task(predictor.classify(samples.encode("PNG RGB"), PredictOptions()))
    await backend.wait_for_groups(1)
    with pytest.raises(ModelUnavailableError, match="no answer in time"):
        await Probe(predictor).check()
    backend.resume()
    await stuck


async def test_a_probe_that_hangs_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe waits for a while, shorter than a request may take, and says that it waited."""
    monkeypatch.setattr(probes, "PROBE_TIMEOUT_S", 0.05)
    backend = FakeBackend()
    backend.hang()
    with pytest.raises(ModelUnavailableError, match="no answer in time"):
        await Probe(make_predictor(backend)).check()


async def test_concurrent_checks_cause_one_probe() -> None:
    """Any number of checks at once share one probe."""
    backend = FakeBackend()
    probe = Probe(make_predictor(backend))
    results = await asyncio.gather(*(probe.check() for _ in range(10)))
    assert len(backend.groups) == 1
    assert [description for description, _ in results] == [DESCRIPTION] * 10


async def test_concurrent_checks_share_a_probe_that_fails() -> None:
    """Checks that wait for a probe hear of its failure together, instead of one after another."""
    backend = FakeBackend()
    predictor = make_predictor(backend)
    await predictor.describe()
    backend.hang()
    probe = Probe(predictor)
    checks = [asyncio.create_task(probe.check()) for _ in range(5)]
    await backend.wait_for_groups(1)
    backend.fail(InternalError("id 1"))
    backend.resume()
    outcomes = await asyncio.gather(*checks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ModelUnavailableError] * 5
    assert len(backend.groups) == 1


async def test_a_check_that_is_cancelled_leaves_the_others_their_probe() -> None:
    """A load balancer that disconnects does not end the probe of the others."""
    backend = FakeBackend()
    predictor = make_predictor(backend)
    await predictor.describe()
    backend.hang()
    probe = Probe(predictor)
    leaving, staying = (asyncio.create_task(probe.check()) for _ in range(2))
    await backend.wait_for_groups(1)
    leaving.cancel()
    await asyncio.sleep(0)
    backend.resume()
    description, _ = await staying
    assert description == DESCRIPTION
    assert leaving.cancelled()
    assert len(backend.groups) == 1


async def test_a_probe_belongs_to_no_check() -> None:
    """What the server keeps for a request, to cancel what that started, is not the probe's."""
    request = ContextVar("request", default="none")
    seen: list[str] = []

    class WatchfulBackend(FakeBackend):
        async def check(self) -> None:
            seen.append(request.get())

    predictor = make_predictor(WatchfulBackend())
    await predictor.describe()
    request.set("of one client")
    with predictor.admission.hold_images():
        await Probe(predictor).check()
    assert seen == ["none"]


async def test_uptime_counts_from_the_start() -> None:
    """Uptime rises from zero."""
    probe = Probe(make_predictor(FakeBackend()))
    first = probe.uptime_s
    await asyncio.sleep(0.01)
    assert 0 <= first < probe.uptime_s < 10


class SenselessBackend(FakeBackend):
    """A classifier whose every logit is not a number."""

    async def predict(self, group: Group) -> Scored:
        """Answer in good time, with nonsense."""
        scored = await super().predict(group)
        assert scored.logits is not None
        return replace(scored, logits=np.full_like(scored.logits, np.nan))


async def test_nan_scores_are_unhealthy() -> None:
    """A model whose scores are NaN is unavailable, at every check."""
    probe = Probe(make_predictor(SenselessBackend()))
    for _ in range(3):
        with pytest.raises(ModelUnavailableError):
            await probe.check()


async def test_a_probe_does_not_queue_behind_users_images() -> None:
    """While images are in flight, the model is asked instead, and no image is added."""
    backend = FakeBackend()
    predictor = make_predictor(backend)
    await predictor.describe()
    with predictor.admission.hold_images():
        description, last_s = await Probe(predictor).check()
    assert (description, last_s) == (DESCRIPTION, None)
    assert (backend.checks, backend.groups) == (1, [])


async def test_a_probe_that_takes_too_long_is_not_a_disconnect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not counted as cancelled."""
    monkeypatch.setattr(probes, "PROBE_TIMEOUT_S", 0.05)
    backend = FakeBackend()
    predictor = make_predictor(backend)
    await predictor.describe()
    backend.hang()
    with pytest.raises(ModelUnavailableError):
        await Probe(predictor).check()
    assert len(backend.groups) == 1
    assert (predictor.admission.images, predictor.admission.cancelled) == (0, 0)


def make_idle(backend: FakeBackend) -> Predictor:
    """Make a predictor whose classifiers may all end."""
    return Predictor(backend, replace(LIMITS, scales_to_zero=True))


async def test_no_probe_keeps_a_classifier_running() -> None:
    """Where images decide how many there are, health asks once what is served, and no more."""
    backend = FakeBackend()
    probe = Probe(make_idle(backend))
    for _ in range(3):
        assert await probe.check() == (DESCRIPTION, None)
    assert (backend.checks, backend.describe_calls, backend.groups) == (0, 1, [])


async def test_no_probe_starts_a_classifier() -> None:
    """With none, the service is as it should be; its last model is told where one is known."""
    backend = FakeBackend()
    backend.classifiers = 0
    predictor = make_idle(backend)
    probe = Probe(predictor)
    assert await probe.check() == (None, None)
    assert (backend.checks, backend.describe_calls, backend.groups) == (0, 0, [])
    await predictor.describe()
    assert await probe.check() == (DESCRIPTION, None)


async def test_a_classifier_that_should_run_and_does_not_is_unhealthy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its number is fixed, so that there is none is no idleness."""
    monkeypatch.setattr(probes, "PROBE_TIMEOUT_S", 0.05)
    backend = FakeBackend()
    backend.classifiers = 0
    predictor = make_predictor(backend)
    await predictor.describe()
    backend.hang()
    with pytest.raises(ModelUnavailableError):
        await Probe(predictor).check()
