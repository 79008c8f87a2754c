"""A sender whose groups are answered when a test says so, and images that carry an id."""

import asyncio

import numpy as np
from numpy.typing import NDArray

from app.backend import Pixels, Scored


def make_pixels(image_id: int, edge: int = 2) -> NDArray[np.uint8]:
    """Make pixels `[edge, edge, 3]` that carry `image_id`, below 65536."""
    colour = (image_id % 256, image_id // 256, 7)
    return np.full((edge, edge, 3), colour, np.uint8)


def read_ids(pixels: Pixels) -> list[int]:
    """Read the ids that pixels `[n, height, width, 3]` carry."""
    return [int(image[0, 0, 0]) + 256 * int(image[0, 0, 1]) for image in pixels]


class ManualSender:
    """Takes groups and answers each when told; the logits of an image echo its id.

    Attributes:
        sent: the ids of each group, in the order that they were sent.
        timeout_s: seconds until each group expires.
        traceparents: the calls that are traced, of each group.
    """

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self.timeout_s: list[float] = []
        self.traceparents: list[tuple[str, ...]] = []
        self._answers: list[asyncio.Future[Scored]] = []

    async def __call__(
        self, pixels: Pixels, timeout_s: float, traceparents: tuple[str, ...]
    ) -> Scored:
        """Take a group and wait until it is told what to answer."""
        self.sent.append(read_ids(pixels))
        self.timeout_s.append(timeout_s)
        self.traceparents.append(traceparents)
        self._answers.append(asyncio.get_running_loop().create_future())
        return await self._answers[-1]

    @property
    def in_flight(self) -> list[int]:
        """Numbers of the groups that wait for their answer, oldest first."""
        return [number for number, answer in enumerate(self._answers) if not answer.done()]

    def finish(self, number: int) -> Scored:
        """Answer the group with that number; gives the answer."""
        rows = [[float(image_id), -1.0] for image_id in self.sent[number]]
        scored = Scored(f"group {number}", np.array(rows, np.float32), None, 1.0)
        return self.answer(number, scored)

    def answer(self, number: int, scored: Scored) -> Scored:
        """Answer the group with that number with `scored`."""
        self._answers[number].set_result(scored)
        return scored

    def fail(self, number: int, error: BaseException) -> None:
        """Fail the group with that number."""
        self._answers[number].set_exception(error)


async def settle() -> None:
    """Let every task run until it waits for something outside."""
    for _ in range(12):
        await asyncio.sleep(0)
