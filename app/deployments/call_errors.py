"""What a call over a Serve handle raises, as errors of `app.errors`."""

import logging

import grpc
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException

from app.errors import InternalError, ModelUnavailableError, OverloadedError, VitrineError

CALL_ERRORS = (RayError, RayServeException, grpc.RpcError)
"""What a call over a handle raises, whatever carries it."""

_logger = logging.getLogger("vitrine.handle")


def translate_error(
    exc: RayError | RayServeException | grpc.RpcError,
    failed: str = "The model failed on this image.",
    replica: str = "classifier",
) -> VitrineError:
    """Find our error for one of Ray's, whose text holds a remote traceback and is never shown.

    Args:
        exc: what the call raised.
        failed: text for an error of the replica that is none of ours.
        replica: what was called.
    """
    if isinstance(exc, RayTaskError):
        if isinstance(exc.cause, VitrineError):
            return exc.cause
        _logger.error("the %s failed", replica, exc_info=exc)
        return InternalError(failed)
    if isinstance(exc, BackPressureError):
        return OverloadedError(f"The {replica}'s queue is full; try again in a moment.")
    if isinstance(exc, grpc.RpcError):
        _logger.error("the call to the %s failed", replica, exc_info=exc)
    if isinstance(exc, RayActorError):
        return ModelUnavailableError(f"The {replica} replica is gone; a new one is starting.")
    return ModelUnavailableError(f"The {replica} does not answer; try again in a moment.")
