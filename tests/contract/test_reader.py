"""What every Reader promises, held against the one on threads and the one in processes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import numpy as np
import pytest

from app.backend import Geometry
from app.errors import ProblemError
from app.images.reader import Reader, Reading, ThreadReader
from app.limits import Limits
from tests.support import forgeries, readers, samples

LIMITS = Limits(
    max_bytes=1_000_000, max_pixels=200_000, max_queue=8, timeout_s=20, batch_size=4, readers=1
)
SQUARE = Geometry((24, 24), (24, 24), 2, crop=False)
CROPPED = Geometry((16, 16), 20, 3, crop=True)
FALLBACK = Geometry(
    (18, 18),
    None,
    2,
    crop=False,
    fallback='{"image_processor_type": "ViTImageProcessor", "size": {"height": 18, "width": 18}}',
)
LARGE = samples.save(samples.draw(size=(400, 300)), "JPEG")


KINDS = ("threads", "processes")


@asynccontextmanager
async def open_reader(kind: str) -> AsyncIterator[Reader]:
    """Open a Reader that is ready for SQUARE."""
    if kind == "threads":
        threads = ThreadReader(LIMITS)
        await threads.warm_up(SQUARE)
        yield threads
        return
    async with readers.open_reader(LIMITS, SQUARE) as processes:
        yield processes


async def read_all(
    kind: str, images: list[bytes], geometry: Geometry = SQUARE
) -> list[Reading | BaseException]:
    """Read images at once; gives the error of those that fail."""
    async with open_reader(kind) as reader:
        reads = (reader.read(data, geometry) for data in images)
        return await asyncio.gather(*reads, return_exceptions=True)


def read(kind: str, images: list[bytes], geometry: Geometry = SQUARE) -> list[Reading]:
    """Read images at once, none of which fails."""
    readings = asyncio.run(read_all(kind, images, geometry))
    return [reading for reading in readings if isinstance(reading, Reading)]


@pytest.mark.parametrize("geometry", [SQUARE, CROPPED, FALLBACK], ids=["square", "crop", "as is"])
def test_readers_agree_on_images(geometry: Geometry) -> None:
    """Both give the same pixels, format and size for an image of every format, and a large one."""
    images = [*(samples.encode(name) for name in samples.NAMES), LARGE]
    one, other = read("threads", images, geometry), read("processes", images, geometry)
    assert len(one) == len(other) == len(images)
    for first, second in zip(one, other, strict=True):
        assert (first.size, first.format) == (second.size, second.format)
        assert first.pixels.dtype == second.pixels.dtype
        np.testing.assert_array_equal(first.pixels, second.pixels)


def test_readers_agree_on_what_is_refused() -> None:
    """Both give the same problem, in the same words, for everything that is no good image."""
    bad: list[Callable[[], bytes]] = [
        *forgeries.HUGE.values(),
        lambda: b"",
        lambda: b"no image",
        lambda: LARGE[: len(LARGE) // 2],
        lambda: bytes(LIMITS.max_bytes + 1),
    ]
    images = [make() for make in bad]
    told = []
    for kind in KINDS:
        problems = asyncio.run(read_all(kind, images))
        assert all(isinstance(problem, ProblemError) for problem in problems)
        told.append([(type(problem), str(problem)) for problem in problems])
    assert told[0] == told[1]


def test_readers_agree_on_a_processor_that_gives_another_size() -> None:
    """Scored in a group, such pixels would fail the images beside them."""
    geometry = replace(FALLBACK, size=(18, 20))
    told = [str(asyncio.run(read_all(kind, [LARGE], geometry))[0]) for kind in KINDS]
    assert told[0] == told[1]
    assert "makes 18 x 18 x 3 of this image, not 18 x 20 x 3. Send" in told[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_image_does_not_disturb_others(kind: str) -> None:
    """Among many at once, each good image gets its own pixels and each bad one its own error."""

    async def scenario() -> None:
        images = [samples.save(samples.draw(size=(300, 200), seed=n), "JPEG") for n in range(6)]
        images[2] = images[2][:500]
        readings = await read_all(kind, images)
        assert [isinstance(reading, ProblemError) for reading in readings] == [
            n == 2 for n in range(6)
        ]
        alone = await read_all(kind, images[3:4])
        assert isinstance(alone[0], Reading)
        assert isinstance(readings[3], Reading)
        np.testing.assert_array_equal(readings[3].pixels, alone[0].pixels)

    asyncio.run(scenario())
