"""Admission control: the images and bytes in flight."""

import asyncio
from contextlib import suppress

import pytest

from app.errors import OverloadedError, ProblemError, UndecodableImageError
from app.limits import MAX_WAIT_S, ImageBounds, derive_limits
from app.prediction import answer_rate
from app.prediction.admission import MAX_GAP_S, Admission
from app.settings import Settings


class Clock:
    """Time that passes when it is told to."""

    now_s = 1000.0

    def monotonic(self) -> float:
        """Tell the time."""
        return self.now_s


def make_admission(most: int, max_bytes: int, least: int) -> Admission:
    """Make an admission control with bounds that stay."""
    return Admission(lambda: ImageBounds(least, most, MAX_WAIT_S), max_bytes)


def test_images_beyond_the_bound_are_refused_until_one_leaves() -> None:
    """As many as the bound are admitted; a slot that is released is used again."""
    admission = make_admission(2, 100, 2)
    with admission.hold_images():
        with admission.hold_images():
            assert admission.images == 2
            with (
                pytest.raises(OverloadedError, match="2 images are waiting"),
                admission.hold_images(),
            ):
                pass
        with admission.hold_images():
            assert admission.images == 2
    assert (admission.images, admission.refused) == (0, 1)


def count_admitted(admission: Admission) -> int:
    """Count the images that would be admitted together now."""
    admitted = 0
    with suppress(OverloadedError):
        while True:
            admission.check(images=admitted + 1)
            admitted += 1
    return admitted


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that the answer rate sees."""
    clock = Clock()
    monkeypatch.setattr(answer_rate, "time", clock)
    return clock


def answer(
    admission: Admission,
    clock: Clock,
    count: int,
    seconds: float,
    error: ProblemError | None = None,
) -> None:
    """Answer images one after the other, each in so many seconds; with a problem or without."""
    for _ in range(count):
        with suppress(ProblemError), admission.hold_images():
            clock.now_s += seconds
            if error:
                raise error


@pytest.mark.parametrize(("seconds", "admitted"), [(0.001, 50), (0.037, 40), (0.074, 20), (1.0, 8)])
def test_no_more_images_wait_than_are_answered_in_the_time(
    clock: Clock, seconds: float, admitted: int
) -> None:
    """Before any was answered the maximum holds; one whose client has left is no answer."""
    admission = make_admission(50, 1, 8)
    assert count_admitted(admission) == 50
    answer(admission, clock, 5, seconds)
    answer(admission, clock, 5, seconds, UndecodableImageError("cut"))
    for _ in range(100):
        with pytest.raises(asyncio.CancelledError), admission.hold_images():
            raise asyncio.CancelledError
    assert count_admitted(admission) == admitted


def test_idle_time_changes_nothing(clock: Clock) -> None:
    """After a request a second, each answered in 37 ms, a burst of forty is admitted."""
    admission = make_admission(50, 1, 8)
    for _ in range(10):
        answer(admission, clock, 1, 0.037)
        clock.now_s += 1.0
    assert count_admitted(admission) == 40


def test_the_limit_falls_while_nothing_is_answered(clock: Clock) -> None:
    """Behind a batch that takes six seconds only the minimum is admitted, and more afterwards."""
    admission = make_admission(256, 1, 8)
    answer(admission, clock, 100, 0.01)
    with admission.hold_images(8):
        assert count_admitted(admission) == 142
        clock.now_s += 6.0
        assert count_admitted(admission) == 0
    assert 8 <= count_admitted(admission) < 16
    answer(admission, clock, 1000, 0.01)
    assert count_admitted(admission) > 120


def test_a_refusal_tells_how_long_an_image_takes_where_none_fits(clock: Clock) -> None:
    """Three do not fit where two do: HAProxy must not refuse those."""
    admission = make_admission(2, 1, 2)
    with pytest.raises(OverloadedError) as caught:
        admission.check(images=3)
    assert caught.value.seconds_per_image is None
    with pytest.raises(OverloadedError) as caught:
        admission.check(length=2)
    assert caught.value.seconds_per_image is None
    for seconds, told in ((0.02, 0.02), (9.0, MAX_GAP_S)):
        answer(admission, clock, 30, seconds)
        with admission.hold_images(2), pytest.raises(OverloadedError) as caught:
            admission.check()
        assert caught.value.seconds_per_image == pytest.approx(told)


def test_bytes_beyond_the_bound_are_refused_until_some_are_freed() -> None:
    """A body is refused by its announced length as by what has come of it."""
    admission = make_admission(2, 100, 2)
    admission.add_bytes(80)
    admission.check(20)
    for refuse in (admission.check, admission.add_bytes):
        with pytest.raises(OverloadedError, match="80 bytes are waiting"):
            refuse(21)
    admission.free_bytes(80)
    admission.add_bytes(100)
    assert (admission.bytes, admission.refused) == (100, 2)


def test_an_image_that_fails_releases_its_slot() -> None:
    """Any exception does so."""
    admission = make_admission(1, 1, 1)
    with pytest.raises(ZeroDivisionError), admission.hold_images():
        raise ZeroDivisionError
    assert admission.images == 0


async def _work(admission: Admission, turns: int) -> bool:
    """Tell whether work begins for a client that disconnects after `turns` loop iterations."""
    has_begun = False

    async def answer() -> None:
        nonlocal has_begun
        await admission.yield_to_disconnects()
        has_begun = True

    request = asyncio.create_task(answer())
    for _ in range(turns):
        await asyncio.sleep(0)
    request.cancel()
    await asyncio.wait([request])
    return has_begun


async def test_requests_of_disconnected_clients_are_not_begun() -> None:
    """They are counted; before the first disconnect no request waits."""
    admission = make_admission(1, 1, 1)
    assert await _work(admission, 1)
    with pytest.raises(asyncio.CancelledError), admission.hold_images():
        raise asyncio.CancelledError
    assert not await _work(admission, 4)
    assert await _work(admission, 10)
    assert (admission.images, admission.cancelled) == (0, 2)


@pytest.mark.parametrize(
    ("settings", "images", "least", "size"),
    [
        ({}, 256, 64, 256 << 20),
        ({"batch_size": 64}, 512, 128, 512 << 20),
        ({"batch_size": 8}, 64, 64, 64 << 20),
        ({"classifier_replicas": 4}, 1024, 256, 1024 << 20),
        ({"batch_size": 1}, 8, 8, 40_000_000),
        ({"max_queue": 3, "max_queue_bytes": 50_000_000}, 3, 3, 50_000_000),
        ({"max_queue": 300}, 300, 300, 300 << 20),
    ],
)
def test_bounds_follow_batches_and_replicas(
    settings: dict[str, int], images: int, least: int, size: int
) -> None:
    """Eight batches a classifier, shared by the ingress replicas; one large image always fits.

    Two of them, and a whole bulk call, are admitted however slow the model is.
    """
    limits = derive_limits(Settings(**settings))  # type: ignore[arg-type] # whichever they are
    classifiers = settings.get("classifier_replicas", 1)
    assert limits.bound_images(classifiers) == (least, images, MAX_WAIT_S)
    assert (limits.max_queue, limits.max_queue_bytes) == (images, size)


def test_bounds_follow_the_classifiers_that_run() -> None:
    """While there may be more, what those will answer may wait; with none, one is starting."""
    scaled = {"min_classifier_replicas": 0, "max_classifier_replicas": 16}
    limits = derive_limits(Settings(**scaled, max_ingress_replicas=8))  # type: ignore[arg-type]
    bounds = {count: limits.bound_images(count) for count in (0, 1, 4, 16)}
    assert [one.least for one in bounds.values()] == [64, 64, 256, 1024]
    assert [one.most for one in bounds.values()] == [16384, 16384, 16384, 4096]
    assert [one.wait_s for one in bounds.values()] == [24.0, 24.0, 24.0, MAX_WAIT_S]
    assert limits.bound_images(16, ingresses=4).most == 1024
    assert limits.max_queue_bytes == 2048 << 20
    assert limits.max_stack == 64
    assert limits.scales_to_zero
    fixed = derive_limits(Settings(**scaled, max_queue=7))  # type: ignore[arg-type]
    assert {fixed.bound_images(count)[:2] for count in range(5)} == {(7, 7)}


@pytest.mark.parametrize("size", [1, 20_000_000])
def test_a_bound_that_no_large_image_fits_in_is_refused(size: int) -> None:
    """Such a service would be overloaded for ever."""
    with pytest.raises(ValueError, match="MAX_QUEUE_BYTES"):
        Settings(max_queue_bytes=size)
