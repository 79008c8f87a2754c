"""The coalescer's rule by example; test_coalescer_rules.py checks it for any order of events."""

import asyncio
from collections.abc import Iterable
from contextvars import ContextVar

import numpy as np
import pytest

from app.backend import Pixels, Scored
from app.errors import ModelUnavailableError
from app.prediction.coalescer import Coalescer
from app.prediction.image_group import ScoredImage
from tests.support.senders import ManualSender, make_pixels, settle

_GROUP_SIZE = 4


async def arrive(coalescer: Coalescer, ids: Iterable[int]) -> list[asyncio.Task[ScoredImage]]:
    """Let images arrive in the order of `ids`, all in one tick of the loop."""
    tasks = [asyncio.create_task(coalescer.score(make_pixels(image_id))) for image_id in ids]
    await settle()
    return tasks


def read_id(scored: ScoredImage) -> int:
    """Read which image an answer belongs to."""
    assert scored.logits is not None
    return int(scored.logits[0])


async def test_a_lone_image_leaves_at_once() -> None:
    """While nothing is in flight an image does not wait for company."""
    sender = ManualSender()
    (task,) = await arrive(Coalescer(sender, _GROUP_SIZE, lambda: 1, 1), [5])
    assert sender.sent == [[5]]
    group = sender.finish(0)
    scored = await task
    assert read_id(scored) == 5
    assert scored.group is group


async def test_images_that_were_read_together_leave_together() -> None:
    """They leave at the end of the iteration that they came in, without those that have gone."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 1)
    tasks = [
        asyncio.create_task(coalescer.score(make_pixels(image_id), at_once=False))
        for image_id in range(3)
    ]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await settle()
    assert sender.sent == [[0, 2]]
    sender.finish(0)
    assert [read_id(await tasks[index]) for index in (0, 2)] == [0, 2]


@pytest.mark.parametrize("partial_groups", [1, 2, 3])
async def test_no_more_partial_groups_than_allowed_are_in_flight(partial_groups: int) -> None:
    """Beyond W partial groups an image waits, and joins the next group when one is back."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: partial_groups, 1)
    await arrive(coalescer, range(partial_groups + 2))
    alone = [[image_id] for image_id in range(partial_groups)]
    assert sender.sent == alone
    sender.finish(0)
    await settle()
    assert sender.sent == [*alone, [partial_groups, partial_groups + 1]]


async def test_full_groups_are_not_held_back() -> None:
    """However many groups are in flight, a full one leaves."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 1)
    await arrive(coalescer, range(10))
    assert sender.sent == [[0], [1, 2, 3, 4], [5, 6, 7, 8]]
    for number in range(3):
        sender.finish(number)
    await settle()
    assert sender.sent[3:] == [[9]]


async def test_a_small_group_waits_while_a_full_one_keeps_the_classifier_busy() -> None:
    """A full group counts as in flight: one image beside it would only queue, alone."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 2)
    await arrive(coalescer, range(6))
    assert sender.sent == [[0], [1], [2, 3, 4, 5]]
    sender.finish(0)
    sender.finish(1)
    await arrive(coalescer, [6])
    assert len(sender.sent) == 3
    sender.finish(2)
    await settle()
    assert sender.sent[3:] == [[6]]


async def test_the_oldest_leave_first_and_each_gets_its_own_answer() -> None:
    """Order is kept into the groups, and answers find their images, whichever group is first."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 1)
    ids = [30, 7, 400, 2, 19, 21, 6, 65000, 1, 11]
    tasks = await arrive(coalescer, ids)
    assert [image_id for group in sender.sent for image_id in group] == ids[:9]
    for number in (2, 1, 0):
        sender.finish(number)
    await settle()
    sender.finish(3)
    assert [read_id(scored) for scored in await asyncio.gather(*tasks)] == ids


async def test_a_cancelled_image_in_flight_does_not_affect_its_group() -> None:
    """The others of its group get their answers, though all of a group may go."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 1)
    tasks = await arrive(coalescer, range(6))
    for index in (0, 2):
        tasks[index].cancel()
    await settle()
    assert sender.in_flight == [1]  # the first was alone in its group
    sender.finish(1)
    await settle()
    assert [read_id(tasks[index].result()) for index in (1, 3, 4)] == [1, 3, 4]
    assert sender.sent[2:] == [[5]]


async def test_mixed_shapes_fail_their_group_alone() -> None:
    """Images of two shapes in one group cannot be stacked; later groups are not harmed."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 1)
    first = await arrive(coalescer, [0])
    mixed = [asyncio.create_task(coalescer.score(make_pixels(1, edge))) for edge in (2, 3)]
    await settle()
    sender.finish(0)
    outcomes = await asyncio.gather(*mixed, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError, ValueError]
    last = await arrive(coalescer, [9])
    sender.finish(1)
    assert [read_id(task.result()) for task in first] == [0]
    assert [read_id(scored) for scored in await asyncio.gather(*last)] == [9]


async def test_a_refused_group_refuses_each_image() -> None:
    """A group without logits gives each member the refusal with its description."""
    sender = ManualSender()
    tasks = await arrive(Coalescer(sender, 2, lambda: 1, 1), range(3))
    refusal = sender.answer(1, Scored("other", None, None, 0.0))
    sender.finish(0)
    scored = await asyncio.gather(*tasks)
    assert [(image.logits, image.group) for image in scored[1:]] == [(None, refusal)] * 2
    assert read_id(scored[0]) == 0


async def test_an_answer_with_too_few_rows_fails_its_group() -> None:
    """No caller hangs if the sender returns fewer rows than images."""
    sender = ManualSender()
    _, *tasks = await arrive(Coalescer(sender, 2, lambda: 1, 1), range(3))
    sender.answer(1, Scored("short", np.zeros((1, 2), np.float32), None, 0.0))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [IndexError, IndexError]
    sender.finish(0)


async def test_a_cancelled_sender_fails_its_group() -> None:
    """Its images get an error, and its slot is free."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 1)
    tasks = await arrive(coalescer, range(2))
    sender.fail(0, asyncio.CancelledError())
    await settle()
    assert isinstance(tasks[0].exception(), ModelUnavailableError)
    sender.finish(1)
    assert read_id(await tasks[1]) == 1


async def test_a_second_partial_group_leaves_when_it_is_as_large_as_the_first() -> None:
    """Beside a partial group in flight, a smaller one waits; one of its size leaves."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 1)
    await arrive(coalescer, [0])
    await arrive(coalescer, [1, 2])
    sender.finish(0)
    await settle()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 2)
    await arrive(coalescer, [3])
    await arrive(coalescer, [4])
    await arrive(coalescer, [5, 6])
    assert sender.sent == [[0], [1, 2], [3], [4]]


async def test_a_small_group_waits_for_the_large_one_in_flight() -> None:
    """Two images do not leave beside three in flight; the third makes them leave."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 2)
    await arrive(coalescer, [0, 1])
    sender.finish(0)
    await arrive(coalescer, [2, 3])
    assert sender.sent == [[0], [1], [2, 3]]
    sender.finish(1)
    await settle()
    await arrive(coalescer, [4])
    assert sender.sent == [[0], [1], [2, 3]]
    await arrive(coalescer, [5])
    assert sender.sent == [[0], [1], [2, 3], [4, 5]]


async def test_a_group_travels_in_no_requests_context() -> None:
    """What the server keeps for a request, to cancel what that started, is not the group's."""
    request = ContextVar("request", default="none")
    seen: list[str] = []

    async def send(pixels: Pixels, _timeout_s: float, _traced: tuple[str, ...]) -> Scored:
        seen.append(request.get())
        return Scored("group", np.zeros((len(pixels), 2), np.float32), None, 1.0)

    request.set("of one client")
    await Coalescer(send, _GROUP_SIZE).score(make_pixels(1))
    assert seen == ["none"]


@pytest.mark.parametrize(("members", "leaving"), [(1, 1), (3, 2), (3, 3)])
async def test_a_group_without_callers_is_cancelled(members: int, leaving: int) -> None:
    """It is scored while one caller waits; its slot is free either way."""
    sender = ManualSender()
    coalescer = Coalescer(sender, _GROUP_SIZE, lambda: 1, 1)
    await arrive(coalescer, [0])
    tasks = await arrive(coalescer, range(1, 1 + members))
    sender.finish(0)
    await settle()
    for task in tasks[:leaving]:
        task.cancel()
    await settle()
    assert sender.in_flight == [1] * (leaving < members)
    await arrive(coalescer, [9])
    if leaving < members:
        sender.finish(1)
        await settle()
        assert read_id(tasks[-1].result()) == members
    assert sender.sent[-1] == [9]
