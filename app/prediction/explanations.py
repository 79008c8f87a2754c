"""Explanations: an encoded image in, where the model looked out. It finds no relevance itself.

Beyond `MAX_IN_FLIGHT` a request is refused, before its body is read where that is known by then,
and so it is while the predictor is at capacity.
"""

import asyncio
import contextlib
import math
import time
from typing import cast

import numpy as np

from app.backend import Description, Geometry, Pixels
from app.errors import (
    DeadlineExceededError,
    ExplanationUnavailableError,
    InvalidRequestError,
    OverloadedError,
    ProblemError,
)
from app.explainer_backend import ExplainerBackend, ExplainTask, Picture
from app.images.geometry import Box, find_crop
from app.images.overlay import encode_png
from app.images.reader import Reading
from app.images.scaled_decoding import Size
from app.observability.call_record import begin_image
from app.observability.logs import make_context
from app.observability.stages import EXPLAIN, READ
from app.prediction.explanation_result import Drawn, build_response, find_labels
from app.prediction.predictor import Predictor
from schemas import ExplainMethod, ExplainOptions, ExplanationInfo

MAX_IN_FLIGHT = 8
"""Explanations in flight in an ingress replica: two batches of the explainer's."""

WARM_S = 60.0
"""Seconds in which the explainer is started at most once for the sake of a page."""

MAX_EDGE = 1024
"""Pixels of the longer edge of a picture that is drawn; a larger image is drawn smaller."""

BICUBIC = 3
"""Pillow's number of the filter that makes it smaller."""


class Explanations:
    """Explains images through an ExplainerBackend, within limits.

    Args:
        predictor: reads images for the model that serves, within its limits.
        backend: finds relevance; None where the service has no explainer.
    """

    def __init__(self, predictor: Predictor, backend: ExplainerBackend | None = None) -> None:
        self._predictor = predictor
        self._backend = backend
        self._warming: asyncio.Task[None] | None = None  # kept from being collected
        self._warmed = -math.inf
        self._in_flight = 0

    def describe(self, description: Description) -> ExplanationInfo:
        """Describe how a model is explained here, or why it is not."""
        if self._backend is None:
            reason = "This service explains nothing (VITRINE_EXPLAINER_REPLICAS=0)."
            return ExplanationInfo(methods=[], reason=reason)
        known = [ExplainMethod(name) for name in description.methods if name in list(ExplainMethod)]
        reason = description.unexplained or ("" if known else "It has no method known here.")
        return ExplanationInfo(methods=known, reason=reason or None)

    def start_warm_up(self) -> None:
        """Have the explainer start, so that the first explanation does not wait for it.

        Where the model has no default method, there may be no first explanation.
        """
        known, now = self._predictor.find_known(), time.monotonic()
        if known and self.describe(known).reason is None and now - self._warmed > WARM_S:
            self._warmed = now
            # Outside any request's context: Serve cancels the calls of a cancelled request.
            self._warming = asyncio.create_task(self._warm_up(known), context=make_context())

    async def _warm_up(self, known: Description) -> None:
        """Explain a blank image; what goes wrong is told to the first one of a client."""
        assert self._backend is not None  # noqa: S101 - else there is a reason
        blank = cast("Pixels", np.zeros(known.geometry.shape, known.geometry.dtype))
        method = self.describe(known).methods[0]
        task = ExplainTask(blank, (), method, known.revision, known.geometry)
        with contextlib.suppress(ProblemError):
            await self._backend.explain(task)

    async def explain(self, data: bytes, options: ExplainOptions, deadline: float) -> Drawn:
        """Explain one encoded image.

        Args:
            data: the image.
            options: what to explain, and how to answer.
            deadline: by the event loop's clock.

        Raises:
            OverloadedError: too many are being explained.
            ExplanationUnavailableError: the model has no maps, or the service no explainer.
            InvalidRequestError: the options do not fit the model.
            ProblemError: of any other kind.
        """
        self.check_room()
        self._in_flight += 1
        try:
            async with asyncio.timeout_at(deadline):
                if options.format == "png" and not options.opacity:
                    return await self._show(data, options)
                return await self._explain(data, options, deadline)
        except TimeoutError as exc:
            raise DeadlineExceededError("The image was not explained in time.") from exc
        finally:
            self._in_flight -= 1

    def check_room(self) -> None:
        """Raise OverloadedError, which tells HAProxy nothing, if no more can be explained now."""
        if self._in_flight >= MAX_IN_FLIGHT:
            message = f"{self._in_flight} images are being explained; try again in a moment."
            raise OverloadedError(message)

    async def _show(self, data: bytes, options: ExplainOptions) -> Drawn:
        """Show the upright image alone, which needs no explainer."""
        description = await self._predictor.describe()
        find_labels(description.labels, options)
        geometry = description.geometry
        stages = begin_image(READ)
        reading = await self._predictor.read(data, geometry)
        shown = await self._read_upright(data, reading)
        stages.end()
        return Drawn(None, await asyncio.to_thread(encode_png, shown.pixels), stages)

    async def _explain(self, data: bytes, options: ExplainOptions, deadline: float) -> Drawn:
        """Explain, in the time that is left."""
        description = await self._predictor.describe()
        method = self._choose_method(description, options)
        label_ids = find_labels(description.labels, options)
        stages = begin_image(READ)
        reading = await self._predictor.read(data, description.geometry)
        picture = await self._read_picture(data, reading, description.geometry, options)
        stages.begin(EXPLAIN)
        task = ExplainTask(
            pixels=reading.pixels,
            label_ids=label_ids,
            method=method,
            revision=description.revision,
            geometry=description.geometry,
            timeout_s=deadline - asyncio.get_running_loop().time(),
            picture=picture,
        )
        assert self._backend is not None  # noqa: S101 - else no method was chosen
        explained = await self._backend.explain(task)
        stages.end()
        return Drawn(build_response(reading, explained, description), explained.png, stages)

    def _choose_method(self, description: Description, options: ExplainOptions) -> str:
        """Choose the method; raises ProblemError."""
        info = self.describe(description)
        if info.reason is not None and options.method not in info.methods:
            raise ExplanationUnavailableError(info.reason)
        if options.method is ExplainMethod.AUTO:
            return info.methods[0].value
        if options.method not in info.methods:
            fit = " or ".join(info.methods)
            raise InvalidRequestError(f"query method: {options.method} does not fit. Use {fit}.")
        return options.method.value

    async def _read_picture(
        self, data: bytes, reading: Reading, geometry: Geometry, options: ExplainOptions
    ) -> Picture | None:
        """Read the upright image that a PNG shows; None if none is asked for."""
        if options.format != "png":
            return None
        shown = await self._read_upright(data, reading)
        height, width = shown.pixels.shape[:2]
        crop = find_crop(geometry, reading.size)
        scale_x, scale_y = width / reading.size[0], height / reading.size[1]
        box: Box | None = None
        if crop is not None:
            left, top, crop_width, crop_height = crop
            box = left * scale_x, top * scale_y, crop_width * scale_x, crop_height * scale_y
        return Picture(shown.pixels, box, options.opacity)

    async def _read_upright(self, data: bytes, reading: Reading) -> Reading:
        """Read the upright image in a size that can be shown."""
        width, height = fit_size(reading.size)
        upright = Geometry((height, width), (height, width), BICUBIC, crop=False)
        return await self._predictor.read(data, upright)


def fit_size(size: Size) -> Size:
    """Fit a width and height into MAX_EDGE; a smaller image keeps its size."""
    scale = min(1.0, MAX_EDGE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
