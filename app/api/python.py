"""The Python API: other applications on the same Ray Serve call it by a handle.

    vitrine = serve.get_app_handle("vitrine")
    answer = await vitrine.classify.remote(image, top_k=1)
    logits = await vitrine.logits.remote(pixels)

It calls the same core as the routes do, under the same limits, and raises the same errors. Who
holds a handle can run code in Ray anyway, so it asks for no key. Serve calls a method by its name
on the ingress, which therefore is a `PythonApi`. It knows no Ray.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from typing import Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from app.api.validation import read_options
from app.backend import Logits, Pixels
from app.errors import InternalError, InvalidRequestError, PayloadTooLargeError, ProblemError
from app.images.arrays import encode_array, encode_image
from app.observability.access_log import CLIENT_DISCONNECTED
from app.observability.call_record import CallOutcome, current_call
from app.observability.call_recorder import NO_CARRIER, CallRecorder
from app.observability.logs import request_id
from app.prediction.predictor import Predictor
from schemas import PredictResponse

AnyImage = bytes | Image | NDArray[np.generic]


class CallOptions(TypedDict, total=False):
    """Keywords of a call; `schemas.PredictOptions` says what each does."""

    top_k: int
    threshold: float
    scores: Literal["top", "all"]
    logits: bool


class PythonApi:
    """The Python API.

    Args:
        predictor: the core.
        find_request_id: finds the id of the request that a call was made for, for the log.
        recorder: records calls.
    """

    def __init__(
        self,
        predictor: Predictor,
        find_request_id: Callable[[], str],
        recorder: CallRecorder | None = None,
    ) -> None:
        self._predictor = predictor
        self._find_request_id = find_request_id
        self._recorder = recorder or CallRecorder()

    async def classify(
        self,
        image: AnyImage,
        *,
        trace: Mapping[str, str] = NO_CARRIER,
        **options: Unpack[CallOptions],
    ) -> PredictResponse:
        """Classify one image, for callers in Python; equal to what `POST /predict` answers.

        Args:
            image: the bytes of a file; a Pillow image; or an array `[height, width, 3]`, RGB, uint8
                or floats 0 to 1. The last two count with 3 bytes a pixel.
            trace: the caller's span, as `opentelemetry.propagate.inject` writes it.
            **options: `top_k`, `threshold`, `scores` and `logits`, as of `schemas.PredictOptions`.

        Raises:
            ProblemError: any row of the error table.
        """
        with self._record("classify", trace):
            wanted = read_options(options)
            with self._hold_call(_count_bytes(image), self._predictor.limits.max_bytes):
                data = await asyncio.to_thread(_encode, image)
                return (await self._predictor.classify(data, wanted)).response

    async def logits(self, pixels: Pixels, *, trace: Mapping[str, str] = NO_CARRIER) -> Logits:
        """Score pixels `[n, height, width, 3]` to logits `[n, labels]`, float32.

        Args:
            pixels: uint8, RGB, of the model's size, which resize and crop gave; n from 1 to
                `VITRINE_MAX_BULK` (or `VITRINE_MAX_QUEUE`, where that is less). Where the
                processor is one that runs as it is: float32, as it gives them.
            trace: as of `classify`.

        Raises:
            ProblemError: any row of the error table.
        """
        with self._record("logits", trace):
            size = getattr(pixels, "nbytes", 0)
            with self._hold_call(size, self._predictor.limits.max_queue_bytes):
                return await self._predictor.score(pixels)

    @contextmanager
    def _record(self, name: str, trace: Mapping[str, str]) -> Iterator[None]:
        """Record a call when it has ended, whatever it raises."""
        call = self._recorder.begin(name, _read_trace(trace))
        tokens = request_id.set(self._find_request_id()), current_call.set(call)
        status, problem_type = int(HTTPStatus.INTERNAL_SERVER_ERROR), InternalError.type
        try:
            yield
            status, problem_type = int(HTTPStatus.OK), ""
        except ProblemError as problem:
            status, problem_type = problem.status, problem.type
            raise
        except asyncio.CancelledError:
            status, problem_type = CLIENT_DISCONNECTED, ""
            raise
        finally:
            self._recorder.end(call, CallOutcome("CALL", name, name, status, problem_type))
            request_id.reset(tokens[0])
            current_call.reset(tokens[1])

    def _hold_call(self, count: int, max_bytes: int) -> AbstractContextManager[None]:
        """Hold the bytes of a call; raises PayloadTooLargeError or OverloadedError."""
        if count > max_bytes:
            message = (
                f"The call brings {count} bytes, counted as decoded; at most {max_bytes} are read."
            )
            raise PayloadTooLargeError(message)
        return self._predictor.admission.hold_bytes(count)


def _count_bytes(image: object) -> int:
    """Count the bytes that an image comes with or is turned into; raises InvalidRequestError."""
    if isinstance(image, bytes):
        return len(image)
    if isinstance(image, Image):
        return image.width * image.height * 3
    if isinstance(image, np.ndarray):
        return image.size
    message = (
        "An image is the bytes of its file, a Pillow image or a NumPy array [height, width, 3]; "
        f"this is a {type(image).__name__}."
    )
    raise InvalidRequestError(message)


def _encode(image: AnyImage) -> bytes:
    """Encode an image as the bytes of a file; raises InvalidRequestError."""
    if isinstance(image, bytes):
        return image
    return encode_image(image) if isinstance(image, Image) else encode_array(image)


def _read_trace(given: object) -> Mapping[str, str]:
    """Read a caller's span; whatever else is given is none."""
    if not isinstance(given, Mapping):
        return NO_CARRIER
    return {str(name): str(text) for name, text in given.items()}
