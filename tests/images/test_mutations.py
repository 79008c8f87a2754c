"""Damaged images of every format, by the hundred: each is an image or one of the typed errors."""

import asyncio
import time

from app.backend import Geometry
from app.errors import ImageTooLargeError, UndecodableImageError, UnsupportedMediaTypeError
from app.images.reader import ThreadReader
from app.limits import Limits
from tests.support import samples
from tests.support.mutations import list_originals, make_mutant

COUNT = 500
"""`make fuzz` sends more than 10,000 to a service."""

MAX_S = 2.0
LIMITS = Limits(max_bytes=1_000_000, max_pixels=1_000_000, max_queue=8, timeout_s=20, batch_size=4)
GEOMETRY = Geometry((24, 24), (24, 24), 2, crop=False)


def test_originals_are_of_every_format_and_good() -> None:
    """What is damaged was an image: damage alone makes the errors below."""

    async def scenario() -> set[str]:
        reader = ThreadReader(LIMITS)
        await reader.warm_up(GEOMETRY)
        return {(await reader.read(data, GEOMETRY)).format for _, data in list_originals()}

    assert asyncio.run(scenario()) == set(samples.FORMATS)


def test_a_number_gives_the_same_file_again() -> None:
    """A failure that names a number can be repeated; other numbers give other files."""
    assert make_mutant(5) == make_mutant(5)
    assert len({make_mutant(number).data for number in range(50)}) == 50


async def test_500_damaged_images_are_read_or_refused() -> None:
    """Each gives pixels of the model's size or a documented error, in bounded time."""
    outcomes: dict[str, int] = {}
    wrong: list[str] = []
    reader = ThreadReader(LIMITS)
    await reader.warm_up(GEOMETRY)
    for mutant in map(make_mutant, range(COUNT)):
        started = time.perf_counter()
        try:
            answer = str((await reader.read(mutant.data, GEOMETRY)).pixels.shape)
        except (UndecodableImageError, UnsupportedMediaTypeError, ImageTooLargeError) as exc:
            answer = exc.type
        outcomes[answer] = outcomes.get(answer, 0) + 1
        if time.perf_counter() - started > MAX_S:
            wrong.append(mutant.name)
    assert not wrong
    kinds = {"(24, 24, 3)", "undecodable-image", "unsupported-media-type", "image-too-large"}
    assert set(outcomes) <= kinds, outcomes
    assert outcomes["(24, 24, 3)"] > COUNT // 20, outcomes
    assert outcomes["undecodable-image"] > COUNT // 20, outcomes
