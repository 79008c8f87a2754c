"""The Backend that the ingress has: a classifier behind a Ray Serve handle.

What goes wrong on the way, whatever carries the call, is told as one of the house's errors.
"""

import logging

import grpc
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from app.backend import Description, Group, Scored
from app.errors import InternalError, ModelUnavailableError, OverloadedError, VitrineError

CALL_ERRORS = (RayError, RayServeException, grpc.RpcError)
"""What a call over a handle raises, whatever carries it."""

_logger = logging.getLogger("vitrine.handle")


class HandleBackend:
    """A Backend behind a Serve handle; what goes wrong on the way is told as one of ours."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._describe = handle.describe  # looked up once: each look-up makes a handle anew
        self._predict = handle.predict

    async def describe(self) -> Description:
        """Say what is served."""
        try:
            description: Description = await self._describe.remote()
        except CALL_ERRORS as exc:
            raise _translate(exc) from exc
        return description

    async def predict(self, group: Group) -> Scored:
        """Score a group on one of the classifier's replicas."""
        try:
            scored: Scored = await self._predict.remote(group)
        except CALL_ERRORS as exc:
            raise _translate(exc) from exc
        return scored


def _translate(exc: RayError | RayServeException | grpc.RpcError) -> VitrineError:
    """Find our error for one of Ray's; its text holds a remote traceback, so it is never shown."""
    if isinstance(exc, RayTaskError):
        if isinstance(exc.cause, VitrineError):
            return exc.cause
        _logger.error("the classifier failed", exc_info=exc)
        return InternalError("The model failed on this image.")
    if isinstance(exc, BackPressureError):
        return OverloadedError("The classifier's queue is full; try again in a moment.")
    if isinstance(exc, grpc.RpcError):
        _logger.error("the call to the classifier failed", exc_info=exc)
    if isinstance(exc, RayActorError):
        return ModelUnavailableError("The classifier replica is gone; a new one is starting.")
    return ModelUnavailableError("The classifier does not answer; try again in a moment.")
