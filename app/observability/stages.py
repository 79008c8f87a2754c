"""The stages of an image on its way through an ingress: where the time of a slow call went.

To keep them costs a few list entries an image. Metrics, the log line of a slow call and the spans
of a traced one are worked out of them.
"""

import time
from typing import NamedTuple

READ, WAIT, BATCH, INFERENCE = "read", "wait", "batch", "inference"
"""The stages of an image that is classified: until it is decoded and resized; until its group is
sent; until its batch runs, with the way there and back; its batch."""

CLASSIFICATION = (READ, WAIT, BATCH, INFERENCE)

EXPLAIN = "explain"
"""What comes after `read` where it is explained."""


class Stage(NamedTuple):
    """One stage, with its begin and end by `perf_counter`."""

    name: str
    began: float
    ended: float


class ImageStages:
    """The stages of one image, each of which begins where the one before it ends.

    Args:
        name: of the first one.
        traceparent: names the span of its call (W3C Trace Context); empty where that is not traced.

    Attributes:
        traceparent: as given.
        began: name and begin of each stage, by `perf_counter`.
        ended: end of the last one; None while it goes on, and where it was cut off.
        inference_s: seconds of its batch, at the end of the last stage.
        batch: traceparent of the span of its batch; empty where none was made.
    """

    __slots__ = ("batch", "began", "ended", "inference_s", "traceparent")

    def __init__(self, name: str, traceparent: str = "") -> None:
        self.traceparent = traceparent
        self.began = [(name, time.perf_counter())]
        self.ended: float | None = None
        self.inference_s = 0.0
        self.batch = ""

    def begin(self, name: str) -> None:
        """Begin a stage, unless it is the one that goes on."""
        if self.began[-1][0] != name:
            self.began.append((name, time.perf_counter()))

    def end(self, inference_s: float = 0.0, batch: str = "") -> None:
        """End the last stage; the arguments are what the attributes say."""
        self.ended = time.perf_counter()
        self.inference_s = inference_s
        self.batch = batch


def list_stages(image: ImageStages, until: float) -> list[Stage]:
    """List the stages of an image; for a few calls alone.

    Args:
        image: the image.
        until: end of a stage that was cut off.
    """
    ended = until if image.ended is None else image.ended
    ran = max(ended - image.inference_s, image.began[-1][1])
    ends = [began for _, began in image.began[1:]] + [ran]
    stages = [Stage(name, at, end) for (name, at), end in zip(image.began, ends, strict=True)]
    return [*stages, Stage(INFERENCE, ran, ended)] if image.inference_s else stages
