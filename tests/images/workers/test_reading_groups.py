"""Images that are read in groups: each has its own answer, and what one does harms no other."""

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.backend import Geometry
from app.errors import ProblemError, UndecodableImageError
from app.images.reader import Reading
from app.images.workers import process, read_queue
from app.images.workers.messages import Outcome
from app.images.workers.pool import ProcessReader
from app.images.workers.process import WorkerProcess
from app.images.workers.read_queue import MAX_GROUP
from app.limits import Limits
from tests.support import readers as support
from tests.support import samples
from tests.support.sabotaged_worker import CUT, END, FULL, HANG, MODULE

LIMITS = Limits(
    max_bytes=10**7, max_pixels=10**6, max_queue=64, timeout_s=20, batch_size=4, readers=1
)
GEOMETRY = Geometry((24, 24), (24, 24), 2, crop=False)
BOMB = samples.save(samples.draw(size=(1100, 1000)), "PNG")
TIMEOUT_S = 2.0


class Messages:
    """The groups that workers were given and have answered, in the order of the messages."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.given: list[list[bytes]] = []
        self.answered: list[list[bytes]] = []
        read = WorkerProcess.read

        async def watch(
            worker: WorkerProcess, images: Sequence[bytes], geometry: Geometry, timeout_s: float
        ) -> tuple[list[Outcome], float]:
            self.given.append(list(images))
            outcomes, seconds = await read(worker, images, geometry, timeout_s)
            self.answered.append(list(images)[: len(outcomes)])
            return outcomes, seconds

        monkeypatch.setattr(WorkerProcess, "read", watch)


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> Messages:
    """Watch the messages to workers that can be sabotaged."""
    monkeypatch.setattr(process, "WORKER", MODULE)
    return Messages(monkeypatch)


def open_reader(
    readers: int = 1, timeout_s: float = TIMEOUT_S
) -> AbstractAsyncContextManager[ProcessReader]:
    """Open a reader with so many workers, and the time limit of an image."""
    limits = replace(LIMITS, readers=readers, decode_timeout_s=timeout_s)
    return support.open_reader(limits, GEOMETRY)


def find_workers() -> list[psutil.Process]:
    """Find the workers that read images for this process."""
    return [child for child in psutil.Process().children() if MODULE in child.cmdline()]


def draw(number: int) -> bytes:
    """Draw an image that tells its number by its width."""
    return samples.save(samples.draw(size=(200 + number, 150)), "JPEG")


def start(reader: ProcessReader, images: Sequence[bytes]) -> list[asyncio.Task[Reading]]:
    """Start to read images that come at the same time."""
    return [asyncio.create_task(reader.read(data, GEOMETRY)) for data in images]


async def test_a_lone_image_is_read_at_once_and_what_waits_is_shared(messages: Messages) -> None:
    """The first goes to the worker alone; the others wait for it, and leave in full groups."""
    images = [draw(number) for number in range(MAX_GROUP + 4)]
    async with open_reader() as reader:
        readings = await asyncio.gather(*start(reader, images))
    assert [reading.size[0] for reading in readings] == [200 + n for n in range(len(images))]
    assert [len(group) for group in messages.given] == [1, MAX_GROUP, 3]
    assert [image for group in messages.given for image in group] == images
    assert [reading.group_size for reading in readings] == [1] + [MAX_GROUP] * MAX_GROUP + [3] * 3


async def test_each_worker_takes_its_share(messages: Messages) -> None:
    """Of two idle workers and nine images, none has all."""
    async with open_reader(readers=2) as reader:
        await asyncio.gather(*start(reader, [draw(number) for number in range(10)]))
    assert [len(group) for group in messages.given[:2]] == [1, 1]
    assert len(messages.given[2]) == 4


async def test_a_group_takes_no_longer_than_images_took_of_late(
    messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each image takes half of the time, two are read together."""
    images = [draw(number) for number in range(7)]
    async with open_reader() as reader:
        await asyncio.gather(*start(reader, images[:1]))
        (seconds_per_byte,) = list(reader._queue._seconds_per_byte)[1:]  # noqa: SLF001
        assert seconds_per_byte > 0
        monkeypatch.setattr(read_queue, "GROUP_S", 2.5 * len(images[0]) * seconds_per_byte)
        reader._queue._seconds_per_byte.extend([seconds_per_byte] * 15)  # noqa: SLF001
        await asyncio.gather(*start(reader, images[1:2] * 6))
    assert max(len(group) for group in messages.given) == 2


async def test_a_large_image_does_not_hold_up_small_ones(
    messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is alone in its message, and those that came before it are read before it."""
    large = samples.save(samples.draw(size=(900, 900)), "JPEG")
    images = [draw(0), draw(1), draw(2), large, draw(3), draw(4)]
    monkeypatch.setattr(read_queue, "GROUP_S", 0.5)
    async with open_reader() as reader:
        reader._queue._seconds_per_byte.extend([0.6 / len(large)] * 15)  # noqa: SLF001
        await asyncio.gather(*start(reader, images))
    assert [large in group for group in messages.given] == [False, False, True, False]
    assert [len(group) for group in messages.given] == [1, 2, 1, 2]


async def test_images_for_two_geometries_are_in_no_message_together(messages: Messages) -> None:
    """A model may change while images wait."""
    other = Geometry((12, 12), (12, 12), 2, crop=False)
    async with open_reader() as reader:
        geometries = [GEOMETRY, GEOMETRY, other, GEOMETRY]
        readings = await asyncio.gather(
            *(reader.read(draw(n), geometry) for n, geometry in enumerate(geometries))
        )
    assert [reading.pixels.shape[0] for reading in readings] == [24, 24, 12, 24]
    assert [len(group) for group in messages.given] == [1, 1, 1, 1]


async def test_of_sixteen_images_the_guilty_alone_are_refused(messages: Messages) -> None:
    """A bomb, one that hangs, one that ends the process, one whose client left: twelve are read.

    None of the others waits until the one that hangs is refused.
    """
    images = [draw(number) for number in range(16)]
    images[2], images[5], images[9] = BOMB, HANG, END
    async with open_reader() as reader:
        (first,) = start(reader, [draw(99)])
        tasks = start(reader, images)
        await asyncio.sleep(0)
        tasks[12].cancel()
        outcomes = await asyncio.gather(*tasks[:5], *tasks[6:], return_exceptions=True)
        assert not tasks[5].done()
        (hung,) = await asyncio.gather(tasks[5], return_exceptions=True)
        assert (await first).size == (299, 150)
        assert len((await reader.read(draw(3), GEOMETRY)).pixels) == 24
    outcomes.insert(5, hung)
    guilty = {2: "more pixels|at most", 5: r"longer than 2 s", 9: "ends the process", 12: ""}
    for number, outcome in enumerate(outcomes):
        if number not in guilty:
            assert isinstance(outcome, Reading)
            assert outcome.size[0] == 200 + number
    assert isinstance(outcomes[2], ProblemError)
    assert isinstance(outcomes[12], asyncio.CancelledError)
    for number in (5, 9):
        with pytest.raises(UndecodableImageError, match=guilty[number]):
            raise outcomes[number]  # type: ignore[misc] # that it is one is what is checked
    assert images[12] not in [image for group in messages.given for image in group]


async def test_the_innocent_do_not_wait_for_the_one_that_hangs(messages: Messages) -> None:
    """It is read again after them, with one worker too."""
    images = [draw(0), HANG, draw(1), draw(2)]
    async with open_reader(timeout_s=30) as reader:
        tasks = start(reader, images)
        async with asyncio.timeout(10):
            await asyncio.gather(*(tasks[index] for index in (0, 2, 3)))
        assert not tasks[1].done()
        tasks[1].cancel()
    assert messages.given[1:] == [images[1:], images[2:3], images[3:], [HANG]]


async def test_an_image_is_not_to_blame_for_its_group_and_one_accident(
    messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes must end by it alone."""
    image, accidents = draw(1), [True]
    ask = WorkerProcess._ask  # noqa: SLF001 - no accident happens at the right moment by itself

    async def kill_once(
        worker: WorkerProcess, geometry: Geometry, images: Sequence[bytes]
    ) -> tuple[list[Outcome], float]:
        if list(images) == [image] and accidents:
            accidents.pop()
            find_workers()[0].kill()
        return await ask(worker, geometry, images)

    monkeypatch.setattr(WorkerProcess, "_ask", kill_once)
    async with open_reader() as reader:
        tasks = start(reader, [draw(0), HANG, image])
        assert (await tasks[2]).size == (201, 150)
        tasks[1].cancel()
    assert messages.given.count([image]) == 2


async def test_a_worker_that_cuts_the_file_of_its_progress_harms_nobody(messages: Messages) -> None:
    """The file is only a hint."""
    async with open_reader() as reader:
        tasks = start(reader, [draw(0), draw(1), CUT, draw(2)])
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, Reading) for outcome in outcomes] == [True, True, False, True]
    assert len(messages.given) == 6


async def test_a_full_disk_harms_nobody(messages: Messages) -> None:
    """What is read needs none."""
    async with open_reader() as reader:
        workers = find_workers()
        tasks = start(reader, [draw(0), FULL, draw(1), draw(2)])
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert find_workers() == workers
    assert [isinstance(outcome, Reading) for outcome in outcomes] == [True, False, True, True]
    assert len(messages.given) == 2


async def test_a_worker_leaves_the_rest_of_a_slow_group(messages: Messages) -> None:
    """Images of few bytes and many pixels cost no process, and each is read once."""
    slow = [samples.save(Image.new("RGB", (1000, 900 + number)), "PNG") for number in range(9)]
    async with open_reader() as reader:
        workers = find_workers()
        readings = await asyncio.gather(*start(reader, [draw(0), *slow]))
        assert find_workers() == workers
    assert [reading.size[1] for reading in readings[1:]] == [900 + n for n in range(9)]
    assert len(messages.given[1]) == 9 > len(messages.answered[1])
    assert [image for group in messages.answered for image in group] == [draw(0), *slow]


async def test_a_refused_image_is_freed_at_once() -> None:
    """Not when Python looks for cycles next."""
    data = b"\0" * 100_000
    async with open_reader() as reader:
        references = sys.getrefcount(data)
        gc.disable()
        try:
            with suppress(ProblemError):
                await reader.read(data, GEOMETRY)
            await asyncio.sleep(0)
            assert sys.getrefcount(data) == references
        finally:
            gc.enable()


_ARRIVALS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["image"] * 8 + ["end", "bomb"]), min_size=1, max_size=12),
        st.sampled_from([0, 0, 0.001, 0.02]),
        st.lists(st.integers(0, 40), max_size=3),
    ),
    min_size=1,
    max_size=4,
)
"""Images that come together, a pause in seconds, and images whose callers are cancelled then."""


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(arrivals=_ARRIVALS, readers=st.integers(1, 2))
def test_nothing_is_lost_or_answered_twice(
    messages: Messages, arrivals: list[tuple[list[str], float, list[int]]], readers: int
) -> None:
    """Whatever comes, dies or is cancelled: each caller gets the answer to its own image, once."""
    kinds: list[str] = []
    images: list[bytes] = []
    cancelled: set[int] = set()
    messages.given.clear()
    messages.answered.clear()

    async def play() -> list[Reading | BaseException]:
        tasks: list[asyncio.Task[Reading]] = []
        async with open_reader(readers, timeout_s=20) as reader:
            for coming, pause_s, leaving in arrivals:
                for kind in coming:
                    number = len(images)
                    made = {"image": draw(number), "end": END, "bomb": BOMB}[kind]
                    kinds.append(kind)
                    images.append(made + b"%d" % number)
                    tasks += start(reader, images[-1:])
                await asyncio.sleep(pause_s)
                for index in leaving:
                    if index < len(tasks) and tasks[index].cancel():
                        cancelled.add(index)
            async with asyncio.timeout(60):
                return await asyncio.gather(*tasks, return_exceptions=True)

    for number, outcome in enumerate(asyncio.run(play())):
        if number in cancelled:
            assert isinstance(outcome, asyncio.CancelledError)
        elif kinds[number] == "image":
            assert isinstance(outcome, Reading)
            assert outcome.size == (200 + number, 150)
        else:
            assert isinstance(outcome, ProblemError)
            assert ("ends the process" in str(outcome)) == (kinds[number] == "end")
    given_images = Counter(image for group in messages.given for image in group)
    answered = Counter(image for group in messages.answered for image in group)
    assert not answered or max(answered.values()) == 1
    firsts = list(dict.fromkeys(image for group in messages.given for image in group))
    assert firsts == [
        image for image in images if image in given_images
    ]  # first come, first served
