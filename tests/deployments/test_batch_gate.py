"""What waits for the model waits as groups, and goes as one batch."""

import asyncio

import pytest

from app.deployments.batch_gate import BatchGate
from app.deployments.load_meter import SenderCount
from tests.support.senders import settle


class Groups:
    """Groups that go through a gate, and what is let through when."""

    def __init__(self, batch_size: int, slots: int) -> None:
        self._gate = BatchGate(batch_size, slots)
        self.inside: list[int] = []
        self._ends: dict[int, asyncio.Event] = {}

    async def pass_through(self, images: int) -> None:
        """Go through the gate, and stay inside until it is over."""
        async with self._gate.enter(images):
            self.inside.append(images)
            try:
                await self._ends.setdefault(images, asyncio.Event()).wait()
            finally:
                self.inside.remove(images)

    async def add(self, *groups: int) -> list[asyncio.Task[None]]:
        """Let groups come, all in one iteration of the loop."""
        tasks = [asyncio.create_task(self.pass_through(images)) for images in groups]
        await settle()
        return tasks

    async def end(self, *groups: int) -> None:
        """Let groups be scored."""
        for images in groups:
            self._ends[images].set()
        await settle()


async def test_groups_that_wait_go_together() -> None:
    """As many as make a batch; the first one goes at once, alone."""
    groups = Groups(batch_size=10, slots=1)
    tasks = [
        *await groups.add(1),
        *await groups.add(2),
        *await groups.add(3, 4),
        *await groups.add(5),
    ]
    assert groups.inside == [1]
    await groups.end(1)
    assert groups.inside == [2, 3, 4]
    await groups.end(2, 3)
    assert groups.inside == [4], "a batch is over when all of its groups are"
    await groups.end(4)
    assert groups.inside == [5]
    await groups.end(5)
    await asyncio.gather(*tasks)


async def test_as_many_batches_run_as_there_are_slots() -> None:
    """A group that is larger than a batch goes alone."""
    groups = Groups(batch_size=10, slots=2)
    tasks = [*await groups.add(20), *await groups.add(6), *await groups.add(7, 8)]
    assert groups.inside == [20, 6]
    await groups.end(6)
    assert groups.inside == [20, 7]
    await groups.end(20, 7)
    assert groups.inside == [8]
    await groups.end(8)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("leaving", [0, 1])
async def test_a_group_that_is_cancelled_holds_nothing_up(leaving: int) -> None:
    """Whether it waits or is being scored."""
    groups = Groups(batch_size=10, slots=1)
    tasks = [*await groups.add(1), *await groups.add(2), *await groups.add(9)]
    tasks[leaving].cancel()
    await settle()
    await asyncio.wait([tasks[leaving]])
    if leaving == 1:
        await groups.end(1)
    else:
        assert groups.inside == [2]
        await groups.end(2)
    assert groups.inside == [9]
    await groups.end(9)
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_group_that_is_cancelled_as_it_is_let_through_holds_nothing_up() -> None:
    """Its turn has come, and it has not heard of it."""
    groups = Groups(batch_size=10, slots=1)
    first, second, third = await groups.add(1, 9, 8)
    groups._ends[1].set()  # noqa: SLF001 - the next line must come in the same iteration
    await asyncio.sleep(0)
    second.cancel()
    await settle()
    assert groups.inside == [8]
    await groups.end(8)
    await asyncio.gather(first, second, third, return_exceptions=True)


async def test_a_group_that_is_cancelled_before_its_turn_is_passed_over() -> None:
    """Its turn comes in the iteration in which it is cancelled, before it has heard of that."""
    groups = Groups(batch_size=10, slots=1)
    first, second, third = await groups.add(1, 9, 8)
    second.cancel()
    groups._ends[1].set()  # noqa: SLF001 - the next line must come in the same iteration
    await settle()
    assert groups.inside == [8]
    await groups.end(8)
    await asyncio.gather(first, second, third, return_exceptions=True)


async def test_a_whole_batch_and_what_waits_may_be_cancelled_at_once() -> None:
    """The slot is free for what comes later."""
    groups = Groups(batch_size=10, slots=1)
    tasks = await groups.add(1, 9)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    (later,) = await groups.add(8)
    assert groups.inside == [8]
    await groups.end(8)
    await later


def test_ingresses_that_send_groups_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has sent none for some seconds has gone, or has nothing to send."""
    now = 100.0
    monkeypatch.setattr("app.deployments.load_meter.time.monotonic", lambda: now)
    senders = SenderCount()
    assert [senders.count(name) for name in ("a", "b", "a", "c")] == [1, 2, 2, 3]
    now += 6.0
    assert senders.count("b") == 1
