"""The load of a classifier replica, and how many replicas Serve makes of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.deployments import load_meter
from app.deployments.autoscaling import (
    ScaleByLoad,
    choose_classifier_replicas,
    choose_ingress_replicas,
)
from app.deployments.load_meter import MAX_LOAD, LoadMeter
from app.settings import Settings


class Clock:
    """Time that passes when it is told to."""

    now_s = 1000.0

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that the meter sees."""
    clock = Clock()
    monkeypatch.setattr(load_meter, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("images", "rate", "load"),
    [(0, 100, 0.0), (16, 1000, 0.5), (32, 1000, 1.0), (6, 12, 1.0), (1, 0.1, 1.0), (64, 12, 4.0)],
)
@pytest.mark.usefixtures("clock")
def test_images_that_wait_are_load(images: int, rate: float, load: float) -> None:
    """A whole batch is a full load, and so is half a second of work where that is less."""
    meter = LoadMeter(batch_size=32)
    with meter.hold(images):
        assert meter.read(rate) == pytest.approx(load)
    assert MAX_LOAD == 4.0


def test_what_is_answered_is_load(clock: Clock) -> None:
    """By the share of what the model can do, since the last time; then nothing is left of it."""
    meter = LoadMeter(batch_size=32)
    for _ in range(35):
        with meter.hold(2):
            pass
    clock.now_s += 1.0
    assert meter.read(best_rate=100) == pytest.approx(1.0)
    clock.now_s += 1.0
    assert meter.read(best_rate=100) == 0


def test_before_the_first_batch_nothing_is_divided_by(clock: Clock) -> None:
    """A model whose rate is not known yet has the load of its images."""
    meter = LoadMeter(batch_size=32)
    with meter.hold(3):
        assert meter.read(best_rate=0.0) == 3.0
    clock.now_s += 1.0


@pytest.mark.parametrize(
    ("loads", "replicas"), [({}, 0), ({"a": 0.0}, 0), ({"a": 1.0, "b": 0.4}, 1.4), ({"a": 4.0}, 4)]
)
def test_loads_add_up_to_replicas(loads: dict[str, float], replicas: float) -> None:
    """Serve rounds up, and keeps to the bounds."""
    context: Any = SimpleNamespace(aggregated_metrics={"load": loads} if loads else {})
    assert ScaleByLoad()(context) == (replicas, {})


def test_a_fixed_number_is_the_default() -> None:
    """Nothing scales unless a maximum is set."""
    settings = Settings(classifier_replicas=3, ingress_replicas=2)
    assert choose_classifier_replicas(settings) == {"num_replicas": 3}
    assert choose_ingress_replicas(settings) == {"num_replicas": 2}


@pytest.mark.parametrize(
    ("least", "bounds"), [(None, (1, None, 8)), (0, (0, 1, 8)), (2, (2, None, 8))]
)
def test_bounds_are_taken_over(least: int | None, bounds: tuple[int, int | None, int]) -> None:
    """A service starts with at least one classifier, so that a model that fails is found.

    Serve goes back to a first number with each new version, so there is none where it can be left.
    """
    settings = Settings(min_classifier_replicas=least, max_classifier_replicas=8)
    config: Any = choose_classifier_replicas(settings)["autoscaling_config"]
    assert (config.min_replicas, config.initial_replicas, config.max_replicas) == bounds


@pytest.mark.parametrize("most", [None, 1])
def test_a_minimum_above_the_maximum_is_refused(most: int | None) -> None:
    """Or without one: it would have no effect."""
    with pytest.raises(ValueError, match="must be at least VITRINE_MIN_INGRESS_REPLICAS=2"):
        Settings(min_ingress_replicas=2, max_ingress_replicas=most)
