"""The group rule under any order of events: hypothesis plays callers and classifier."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.errors import InternalError
from app.prediction.coalescer import Coalescer
from tests.support.senders import ManualSender, make_pixels, settle

if TYPE_CHECKING:
    from app.prediction.image_group import ScoredImage

_PICK = st.integers(0, 1000)


class Schedule(RuleBasedStateMachine):
    """Images arrive and are cancelled; groups finish and fail; after each step the rule holds."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._sender = ManualSender()
        self._tasks: list[asyncio.Task[ScoredImage]] = []
        self._cancelled: set[int] = set()
        self._left_out: set[int] = set()
        self._failed: dict[int, InternalError] = {}

    @initialize(
        group_size=st.integers(1, 5), classifiers=st.integers(1, 3), slots=st.integers(1, 2)
    )
    def open(self, group_size: int, classifiers: int, slots: int) -> None:
        """Choose the limits."""
        self._group_size, self._classifiers, self._slots = group_size, classifiers, slots
        self._coalescer = Coalescer(self._sender, group_size, lambda: classifiers, slots)

    @rule(count=st.integers(1, 7), at_once=st.booleans())
    def arrive(self, *, count: int, at_once: bool) -> None:
        """Some images arrive in one tick; the id of an image is the number of its task."""

        def create() -> None:
            for _ in range(count):
                score = self._coalescer.score(make_pixels(len(self._tasks)), at_once=at_once)
                self._tasks.append(asyncio.create_task(score))

        self._play(create)

    @precondition(lambda self: self._sender.in_flight)
    @rule(pick=_PICK)
    def finish(self, pick: int) -> None:
        """Any group in flight is answered."""
        self._play(lambda: self._sender.finish(self._pick_group(pick)))

    @precondition(lambda self: self._sender.in_flight)
    @rule()
    def finish_all(self) -> None:
        """All groups in flight are answered in one tick."""
        self._play(lambda: [self._sender.finish(number) for number in self._sender.in_flight])

    @precondition(lambda self: self._sender.in_flight)
    @rule(pick=_PICK)
    def fail(self, pick: int) -> None:
        """Any group in flight fails."""
        number = self._pick_group(pick)
        self._failed[number] = InternalError(f"group {number}")
        self._play(lambda: self._sender.fail(number, self._failed[number]))

    @precondition(lambda self: self._unanswered)
    @rule(pick=_PICK)
    def cancel(self, pick: int) -> None:
        """The caller of any image without an answer is cancelled."""
        image_id = self._unanswered[pick % len(self._unanswered)]
        self._cancelled.add(image_id)
        self._left_out.update({image_id}.intersection(self._waiting))
        self._play(self._tasks[image_id].cancel)

    @invariant()
    def limits_hold(self) -> None:
        """No group is empty or too large, and no more partial ones are in flight than slots."""
        assert all(1 <= len(group) <= self._group_size for group in self._sender.sent)
        assert len(self._partial_in_flight) <= self._slots * self._classifiers

    @invariant()
    def nothing_waits_without_need(self) -> None:
        """No full group waits, and no image without need.

        It waits only while every classifier has a group, and either all slots are taken or the
        smallest group in flight is larger than what waits.
        """
        waiting = self._waiting
        in_flight = [len(self._sender.sent[number]) for number in self._sender.in_flight]
        assert len(waiting) < self._group_size
        if waiting:
            assert len(in_flight) >= self._classifiers
            is_full = len(in_flight) >= self._slots * self._classifiers
            assert is_full or len(waiting) < min(in_flight)

    @invariant()
    def images_leave_once_and_in_order(self) -> None:
        """Images are sent in the order of arrival, none twice, none that was cancelled."""
        sent = [image_id for group in self._sender.sent for image_id in group]
        assert sent == sorted(set(sent))
        assert self._left_out.isdisjoint(sent)

    @invariant()
    def each_image_has_its_own_answer(self) -> None:
        """An image has an answer when its group has, and it is its own."""
        for number, group in enumerate(self._sender.sent):
            for image_id in group:
                self._check_answer(image_id, number)

    def teardown(self) -> None:
        """Answer all that is left: nothing is lost."""
        while self._sender.in_flight:
            self.finish_all()
            self.nothing_waits_without_need()
        self.each_image_has_its_own_answer()
        assert all(task.done() for task in self._tasks)
        self._runner.close()

    def _check_answer(self, image_id: int, number: int) -> None:
        """Check the answer of an image that left in the group with that number."""
        task = self._tasks[image_id]
        if image_id in self._cancelled:
            assert task.cancelled()
        elif number in self._sender.in_flight:
            assert not task.done()
        elif number in self._failed:
            assert task.exception() is self._failed[number]
        else:
            logits = task.result().logits
            assert logits is not None
            assert logits[0] == image_id
            assert task.result().group.revision == f"group {number}"

    def _play(self, act: Callable[[], object]) -> None:
        """Act inside the loop and let the loop come to rest."""

        async def run() -> None:
            act()
            await settle()

        self._runner.run(run())

    def _pick_group(self, pick: int) -> int:
        """Choose one of the groups in flight."""
        return self._sender.in_flight[pick % len(self._sender.in_flight)]

    @property
    def _unanswered(self) -> list[int]:
        """Images whose callers still wait."""
        return [image_id for image_id, task in enumerate(self._tasks) if not task.done()]

    @property
    def _waiting(self) -> list[int]:
        """Images that have not been sent and whose callers still wait."""
        sent = {image_id for group in self._sender.sent for image_id in group}
        return [image_id for image_id in self._unanswered if image_id not in sent]

    @property
    def _partial_in_flight(self) -> list[int]:
        """The sizes of the groups in flight that are not full."""
        sizes = [len(self._sender.sent[number]) for number in self._sender.in_flight]
        return [size for size in sizes if size < self._group_size]


TestSchedule = Schedule.TestCase
TestSchedule.settings = settings(
    max_examples=60, stateful_step_count=40, derandomize=True, deadline=None
)
