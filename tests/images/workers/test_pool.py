"""The processes that read images: what one image does to its process harms no other."""

import asyncio
import os
import signal
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from app.backend import Geometry
from app.errors import ModelUnavailableError, UndecodableImageError
from app.images.workers import process
from app.images.workers.pool import ProcessReader
from app.images.workers.process import WORKER, WorkerProcess
from app.limits import Limits
from tests.support import readers, samples

LIMITS = Limits(
    max_bytes=10**7, max_pixels=10**8, max_queue=8, timeout_s=20, batch_size=4, readers=1
)
GEOMETRY = Geometry((24, 24), (24, 24), 2, crop=False)
LARGE = samples.save(samples.draw(size=(400, 300)), "JPEG")


def open_reader(limits: Limits = LIMITS) -> AbstractAsyncContextManager[ProcessReader]:
    """Open a reader of one process."""
    return readers.open_reader(limits, GEOMETRY)


def find_workers() -> list[psutil.Process]:
    """Find the processes that read images for this one."""
    return [worker for worker in psutil.Process().children() if WORKER in worker.cmdline()]


async def is_read(reader: ProcessReader) -> bool:
    """Tell whether an image is read as it should be."""
    return (await reader.read(LARGE, GEOMETRY)).size == (400, 300)


def test_processes_end_with_their_reader() -> None:
    """As many processes as asked for run while a reader is open, and none after."""

    async def scenario() -> None:
        async with open_reader(replace(LIMITS, readers=3)):
            assert len(find_workers()) == 3
        assert not find_workers()

    asyncio.run(scenario())


def test_no_code_of_the_current_folder_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be that of a checkpoint from anywhere."""
    for name in ("json", "msgpack", "numpy", "PIL"):
        (tmp_path / f"{name}.py").write_text("open('run', 'w')")
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        async with open_reader() as reader:
            assert await is_read(reader)

    asyncio.run(scenario())
    assert not (tmp_path / "run").exists()


def test_a_small_image_is_read_without_a_process() -> None:
    """An image of a few kilobytes is read where it is, even while every process stands still."""

    async def scenario() -> None:
        async with open_reader() as reader:
            find_workers()[0].send_signal(signal.SIGSTOP)
            assert (await reader.read(samples.encode("PNG RGB"), GEOMETRY)).format == "PNG"

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_an_image_whose_process_ends_is_read_by_another(number: signal.Signals) -> None:
    """A process that is ended while it reads costs no image."""

    async def scenario() -> None:
        async with open_reader() as reader:
            (worker,) = find_workers()
            worker.send_signal(signal.SIGSTOP)  # so that it surely has the image when it ends
            reading = asyncio.create_task(is_read(reader))
            await asyncio.sleep(0.1)
            worker.send_signal(number)
            worker.send_signal(signal.SIGCONT)
            assert await reading
            (another,) = find_workers()
            assert another.pid != worker.pid

    asyncio.run(scenario())


def test_an_unforeseen_error_is_raised_to_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no disconnect; the process, which may have half an answer left, is replaced."""

    def fail(*_: object) -> None:
        raise MemoryError

    async def scenario() -> None:
        async with open_reader() as reader:
            (first,) = find_workers()
            with monkeypatch.context() as patch:
                patch.setattr(process, "unpack_answer", fail)
                with pytest.raises(MemoryError):
                    await is_read(reader)
            assert await is_read(reader)
            assert find_workers() != [first]

    asyncio.run(scenario())


def test_an_image_that_takes_too_long_is_refused() -> None:
    """Its process is ended, and the next image is read by a new one."""

    async def scenario() -> None:
        async with open_reader(replace(LIMITS, decode_timeout_s=0.3)) as reader:
            (worker,) = find_workers()
            worker.send_signal(signal.SIGSTOP)
            with pytest.raises(UndecodableImageError, match=r"longer than 0\.3 s"):
                await is_read(reader)
            assert not worker.is_running()
            assert await is_read(reader)

    asyncio.run(scenario())


def test_an_image_that_ends_two_processes_is_taken_for_corrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not tried for ever, and the next one is read as always."""

    async def scenario() -> None:
        async with open_reader() as reader:
            warm_up, ended = WorkerProcess.warm_up, []

            async def warm_up_and_kill(worker: WorkerProcess, geometry: Geometry) -> None:
                await warm_up(worker, geometry)
                (process,) = find_workers()
                process.kill()
                ended.append(process)

            monkeypatch.setattr(WorkerProcess, "warm_up", warm_up_and_kill)
            with pytest.raises(UndecodableImageError, match="ends the process"):
                await is_read(reader)
            assert len(ended) == 2
            monkeypatch.undo()
            assert await is_read(reader)

    asyncio.run(scenario())


def test_a_process_that_cannot_be_started_is_no_fault_of_the_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The service says that it is unavailable, and serves again as soon as it can."""

    async def scenario() -> None:
        async with open_reader() as reader:
            find_workers()[0].kill()
            monkeypatch.setattr(sys, "executable", "/bin/false")
            with pytest.raises(ModelUnavailableError, match="could be started"):
                await is_read(reader)
            monkeypatch.undo()
            assert await is_read(reader)

    asyncio.run(scenario())


def test_a_process_that_cannot_be_started_leaves_its_images_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As where memory is short; each image is answered, and only once all fail is one refused."""

    async def scenario() -> None:
        async with open_reader(replace(LIMITS, readers=3)) as reader:
            first, *others = find_workers()
            with monkeypatch.context() as patch:
                patch.setattr(sys, "executable", "/bin/false")
                for worker in others:
                    worker.kill()
                assert all(await asyncio.gather(*(is_read(reader) for _ in range(12))))
                assert find_workers() == [first]
                first.kill()
                with pytest.raises(ModelUnavailableError, match="could be started"):
                    await is_read(reader)
            assert all(await asyncio.gather(*(is_read(reader) for _ in range(12))))

    asyncio.run(scenario())


def test_an_image_whose_caller_goes_takes_its_place_to_nobody() -> None:
    """One that is being read is read to its end; one that waits is never read."""

    async def scenario() -> None:
        async with open_reader() as reader:
            (worker,) = find_workers()
            worker.send_signal(signal.SIGSTOP)
            reads = [asyncio.create_task(is_read(reader)) for _ in range(3)]
            await asyncio.sleep(0.1)
            for read in reads:
                read.cancel()
            await asyncio.gather(*reads, return_exceptions=True)
            worker.send_signal(signal.SIGCONT)
            assert await is_read(reader)
            assert find_workers() == [worker]

    asyncio.run(scenario())


def test_a_warm_up_that_is_cancelled_leaves_no_answer_behind() -> None:
    """Afterwards each image still gets its own answer, not the one to the warm-up."""

    async def scenario() -> None:
        reader = ProcessReader(LIMITS)
        try:
            warming = asyncio.create_task(reader.warm_up(GEOMETRY))
            while not find_workers():  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)  # the message is sent, and answered when it has started
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
            await reader.warm_up(GEOMETRY)
            for size in ((400, 300), (300, 200), (200, 300)):
                data = samples.save(samples.draw(size=size), "JPEG")
                assert (await reader.read(data, GEOMETRY)).size == size
        finally:
            reader.close()

    asyncio.run(scenario())


def test_images_are_read_in_the_order_they_came() -> None:
    """However many come while others wait, none is overtaken."""

    async def scenario() -> None:
        async with open_reader() as reader:
            finished: list[int] = []
            started: list[asyncio.Task[None]] = []

            def start() -> None:
                started.append(asyncio.create_task(read_one(len(started))))

            async def read_one(number: int) -> None:
                await is_read(reader)
                finished.append(number)
                if len(started) < 20:
                    start()

            for _ in range(5):
                start()
            for task in started:  # grows meanwhile
                await task
            assert finished == list(range(20))

    asyncio.run(scenario())


def test_a_process_ends_when_its_parent_does() -> None:
    """A parent that is killed leaves no process behind."""
    script = (
        "import asyncio, os, signal\n"
        "from tests.images.workers.test_pool import GEOMETRY, LIMITS, ProcessReader\n"
        "async def scenario():\n"
        "    await ProcessReader(LIMITS).warm_up(GEOMETRY)\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(scenario())\n"
    )

    async def scenario() -> None:
        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
        )
        assert parent.stdout is not None
        assert await parent.stdout.readline() == b"ready\n"
        children = psutil.Process(parent.pid).children()
        assert len(children) == 1
        os.kill(parent.pid, signal.SIGKILL)
        await parent.wait()
        gone, alive = psutil.wait_procs(children, timeout=10)
        assert (len(gone), len(alive)) == (1, 0)

    asyncio.run(scenario())


def test_an_answer_to_another_message_is_taken_for_none() -> None:
    """The process that gives it is ended, and the image read by another."""

    async def scenario() -> None:
        async with open_reader() as reader:
            (worker,) = find_workers()
            worker.send_signal(signal.SIGSTOP)
            reading = asyncio.create_task(is_read(reader))
            await asyncio.sleep(0.1)
            reader._workers[0]._number += 1  # noqa: SLF001 - as if the answer were an older one's
            worker.send_signal(signal.SIGCONT)
            assert await reading
            assert find_workers() != [worker]

    asyncio.run(scenario())


def test_one_process_that_does_not_start_leaves_the_others_sound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A warm-up fails, and works when it is tried again; each image gets its own answer."""
    start, failures = WorkerProcess._start, [OSError(24, "Too many open files")]  # noqa: SLF001

    async def start_or_fail(worker: WorkerProcess) -> None:
        if failures:
            raise failures.pop()
        await start(worker)

    monkeypatch.setattr(WorkerProcess, "_start", start_or_fail)

    async def scenario() -> None:
        reader = ProcessReader(replace(LIMITS, readers=3))
        try:
            with pytest.raises(ModelUnavailableError, match="could be started"):
                await reader.warm_up(GEOMETRY)
            await reader.warm_up(GEOMETRY)
            sizes = [(200 + number, 150) for number in range(12)]
            images = [samples.save(samples.draw(size=size), "JPEG") for size in sizes]
            readings = await asyncio.gather(*(reader.read(data, GEOMETRY) for data in images))
            assert [reading.size for reading in readings] == sizes
        finally:
            reader.close()

    asyncio.run(scenario())
