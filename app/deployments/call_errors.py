"""A call over a Serve handle: what it raises are errors of `app.errors`."""

import asyncio
import logging
from typing import Any

import grpc
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from app.errors import InternalError, ModelUnavailableError, OverloadedError, VitrineError

CALL_ERRORS = (RayError, RayServeException, grpc.RpcError)
"""What a call over a handle raises, whatever carries it."""

_logger = logging.getLogger("vitrine.handle")


FAILED = "The model failed on this image."


async def call(
    method: DeploymentHandle, *args: object, failed: str = FAILED, replica: str = "classifier"
) -> Any:  # noqa: ANN401 - what the method returns
    """Call a method of a replica, and cancel it there with the caller; raises VitrineError.

    Args:
        method: of a handle.
        args: of the method.
        failed: text for an error of the replica that is none of ours.
        replica: what is called.
    """
    response = method.remote(*args)
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()  # what has not begun need not be done
        raise
    except CALL_ERRORS as exc:
        raise translate_error(exc, failed, replica) from exc


def translate_error(
    exc: RayError | RayServeException | grpc.RpcError,
    failed: str = FAILED,
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
