"""Bombs of every format: each is read or refused in its time, and in little memory."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.backend import Geometry
from app.errors import ImageTooLargeError, ProblemError, UndecodableImageError
from app.images.workers.pool import ProcessReader
from app.images.workers.process import WORKER
from app.limits import Limits
from tests.support import forgeries, samples
from tests.support.bombs import BLOCKS, BOMBS, FRAMES, PIXELS, make_exif
from tests.support.processes import read_peak
from tests.support.service import ROOT

GROWTH = 100_000_000
"""Bytes by which no bomb may make the process grow that reads it."""

LIMITS = Limits(
    max_bytes=20_000_000,
    max_pixels=50_000_000,
    max_queue=8,
    timeout_s=20,
    batch_size=4,
    readers=1,
    decode_timeout_s=15,
)
GEOMETRY = Geometry((224, 224), (224, 224), 2, crop=False)
MAX_S = LIMITS.decode_timeout_s
LARGE = samples.save(samples.draw(size=(400, 300)), "JPEG")
_HUGE = {f"{name}, header alone": make for name, make in forgeries.HUGE.items()}


_BOUNDED = """
from app.images.memory_limit import make_bound

with make_bound()(50_000_000):
    assert len(bytes(20_000_000)) == 20_000_000
    try:
        bytes(100_000_000)
    except MemoryError:
        print("bounded")
    else:
        raise AssertionError
assert len(bytes(100_000_000)) == 100_000_000
"""

Outcome = tuple[str, float, int]
"""The format or the problem's type, the seconds, and the bytes by which the process grew."""


def find_worker() -> psutil.Process:
    """Find the one process that reads images for this one."""
    (worker,) = (worker for worker in psutil.Process().children() if WORKER in worker.cmdline())
    return worker


@pytest.fixture(scope="module")
def explode() -> Iterator[Callable[[bytes], Outcome]]:
    """Have a process read a bomb."""
    reader = ProcessReader(LIMITS)

    async def read(data: bytes) -> str:
        try:
            return (await reader.read(data, GEOMETRY)).format
        except ProblemError as problem:
            return problem.type

    with asyncio.Runner() as runner:

        def explode_one(data: bytes) -> Outcome:
            runner.run(read(LARGE))  # a new process, where the last one was ended
            worker = find_worker()
            Path(f"/proc/{worker.pid}/clear_refs").write_text("5")  # its peak is now
            before, started = worker.memory_info().rss, time.perf_counter()
            answer = runner.run(read(data))
            took_s = time.perf_counter() - started
            grown = read_peak(worker.pid) - before if worker.is_running() else GROWTH + 1
            return answer, took_s, max(0, grown)

        runner.run(reader.warm_up(GEOMETRY))
        yield explode_one
        reader.close()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux alone")
@pytest.mark.parametrize("name", [*BOMBS, *_HUGE, *forgeries.BOMBS])
def test_a_bomb_takes_little_memory(explode: Callable[[bytes], Outcome], name: str) -> None:
    """Its process answers in time, typed, and has not grown by more than 100 MB."""
    make = (BOMBS | _HUGE | forgeries.BOMBS)[name]
    answer, took_s, growth = explode(make())
    print(f"{name:32} {answer:20} {took_s:6.2f} s {growth / 1e6:7.1f} MB")  # noqa: T201 - for -s
    assert growth <= GROWTH
    assert took_s <= MAX_S
    allowed = {UndecodableImageError.type, ImageTooLargeError.type, name.split(maxsplit=1)[0]}
    assert answer in allowed
    if name in PIXELS or name in _HUGE:
        assert answer == ImageTooLargeError.type
    if name in FRAMES:
        assert answer == name.split(maxsplit=1)[0]


@pytest.mark.parametrize("name", samples.FORMATS)
def test_an_image_of_ordinary_size_has_memory_enough(
    explode: Callable[[bytes], Outcome], name: str
) -> None:
    """What bounds the memory of bombs leaves room for a photograph of every format."""
    data = samples.save(samples.draw(size=(500, 400)), name)
    answer, _, _ = explode(data)
    assert answer == name


@pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded on Linux alone")
def test_memory_is_bounded_inside_alone() -> None:
    """Inside, what is too large fails; what fits does not, and afterwards everything does."""
    subprocess.run([sys.executable, "-c", _BOUNDED], check=True, cwd=ROOT)


def test_a_large_block_is_no_reason_to_refuse(
    explode: Callable[[bytes], Outcome],
) -> None:
    """An image with megabytes of profile, comments or EXIF is an image, and no slower for them."""
    beside = {name: BLOCKS[name]() for name in ("JPEG ICC", "JPEG comments", "WEBP ICC")}
    beside["PNG EXIF"] = samples.save(samples.draw(), "PNG", exif=make_exif(4_000_000))
    for name, data in beside.items():
        answer, took_s, _ = explode(data)
        assert (name, answer) == (name, name.split(maxsplit=1)[0])
        assert took_s < 1
