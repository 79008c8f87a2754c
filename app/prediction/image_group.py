"""A group: the images that travel to a classifier together, and what each of them gets of it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np

from app.backend import Logits, Pixels, Scored
from app.observability.stages import ImageStages

Sender = Callable[[Pixels, float, tuple[str, ...]], Awaitable[Scored]]
"""Scores pixels `[n, height, width, 3]` within a timeout in seconds, for calls that are traced by
these traceparents; what it raises fails the group alone."""


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """The result of one image.

    Attributes:
        logits: `[labels]` float32, or None if the group was refused for its geometry.
        group: the result of the whole group.
    """

    logits: Logits | None
    group: Scored


class WaitingImage(NamedTuple):
    """An image that waits, with its deadline by the event loop's clock."""

    pixels: Pixels
    deadline: float
    stages: ImageStages


async def score_group(send: Sender, images: Sequence[WaitingImage]) -> list[ScoredImage]:
    """Score one group; returns one result per image, in order; raises what the sender raises."""
    pixels = cast("Pixels", np.stack([image.pixels for image in images]))  # all of one dtype
    timeout_s = max(image.deadline for image in images) - asyncio.get_running_loop().time()
    traced = (image.stages.traceparent for image in images if image.stages.traceparent)
    scored = await send(pixels, timeout_s, tuple(dict.fromkeys(traced)))
    if scored.logits is None:
        return [ScoredImage(None, scored)] * len(images)
    return [ScoredImage(scored.logits[index], scored) for index in range(len(images))]
