"""What is kept of a call while it is answered, for its line, its counts and its spans."""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol

from app.observability.stages import ImageStages, Stage

MAX_IMAGES = 64
"""Images of a call whose stages are kept; a stream may have any number."""


class CallSpan(Protocol):
    """The span of a call, which has not ended.

    Attributes:
        traceparent: names it (W3C Trace Context); empty where it is not sampled.
    """

    traceparent: str

    @property
    def trace_id(self) -> str:
        """The id of its trace, 32 hexadecimal digits."""
        ...

    @property
    def span_id(self) -> str:
        """Its own id, 16 of them."""
        ...

    def end(self, record: "CallRecord", outcome: "CallOutcome", ended: float) -> None:
        """End it, with a span for each stage; `ended` is by `perf_counter`."""
        ...


@dataclass(slots=True)
class CallRecord:
    """One call.

    Attributes:
        span: None where nothing is traced.
        started: by `perf_counter`.
        images: the stages of its first images.
        count: how many images it has begun.
    """

    span: CallSpan | None = None
    started: float = field(default_factory=time.perf_counter)
    images: list[ImageStages] = field(default_factory=list)
    count: int = 0

    def begin_image(self, stage: str) -> ImageStages:
        """Begin an image of this call, with its first stage."""
        image = ImageStages(stage, self.span.traceparent if self.span is not None else "")
        self.count += 1
        if self.count <= MAX_IMAGES:
            self.images.append(image)
        return image


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What a call came to.

    Attributes:
        method: HTTP's, or the name of another API.
        path: of the URL, or the gRPC method.
        route: path of the API, or full name of the method; one of finitely many.
        status: HTTP's, or the name of a gRPC status.
        problem: type of its problem; empty for none.
        key_name: of the call's key; None if none is required.
    """

    method: str
    path: str
    route: str
    status: int | str
    problem: str = ""
    key_name: str | None = None


current_call: ContextVar[CallRecord | None] = ContextVar("current_call", default=None)


def begin_image(stage: str) -> ImageStages:
    """Begin an image of the call that is being answered, or one that belongs to none."""
    call = current_call.get()
    return ImageStages(stage) if call is None else call.begin_image(stage)


def list_call_stages(call: CallRecord, ended: float) -> list[Stage]:
    """List the stages of a call that are those of no image.

    `receive` is until the first image is there, or to the end where none has come; `answer` is what
    follows the last one, where none was cut off.
    """
    first = min((image.began[0][1] for image in call.images), default=ended)
    stages = [Stage("receive", call.started, first)]
    ends = [image.ended for image in call.images if image.ended is not None]
    if ends and len(ends) == len(call.images):
        stages.append(Stage("answer", max(ends), ended))
    return stages
