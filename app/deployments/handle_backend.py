"""The Backend that the ingress has: a classifier behind a Ray Serve handle.

Errors of the call, whatever carries it, are raised as errors of `app.errors`.
"""

import asyncio
import uuid
from dataclasses import replace

from prometheus_client import Counter
from ray.serve.handle import DeploymentHandle

from app.backend import Description, Group, Scored
from app.deployments.call_errors import CALL_ERRORS, call, translate_error
from app.deployments.group_router import GroupRouter
from app.deployments.reload import ReloadOutcome
from app.errors import DeadlineExceededError, ModelUnavailableError
from app.observability.metrics import REGISTRY

PAUSES_S = (0.1, 0.5)
"""Seconds before a group whose replica is gone is tried again: Serve takes a moment to notice. No
more tries than these: it may be the group that ends replicas."""

RELOAD_S = 300.0
"""Seconds that all replicas get to load the checkpoint anew."""

_retries = Counter(
    "vitrine_group_retries",
    "Groups that were sent again because their classifier replica was gone or not ready.",
    registry=REGISTRY,
)


class HandleBackend:
    """A Backend behind a Serve handle; what goes wrong on the way is told as one of ours."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._handle = handle
        self._describe = handle.describe  # looked up once: each look-up makes a handle anew
        self._predict = handle.predict
        self._id = uuid.uuid4().hex
        self._senders = 1  # this one, and the others that a classifier last told of
        self._check = handle.check

    async def describe(self) -> Description:
        """Say what is served."""
        description: Description = await call(self._describe)
        return description

    async def predict(self, group: Group) -> Scored:
        """Score a group on one of the classifier's replicas.

        To score is to change nothing, so a group whose replica is gone goes to another.
        """
        group = replace(group, sender=self._id)
        pauses = iter(PAUSES_S)
        while True:
            try:
                scored: Scored = await call(self._predict, group)
            except ModelUnavailableError:
                pause_s = next(pauses, None)
                if pause_s is None:
                    raise
                _retries.inc()
                await asyncio.sleep(pause_s)
            else:
                self._senders = scored.senders
                return scored

    async def check(self) -> None:
        """Ask one of the classifier's replicas whether it works."""
        await call(self._check)

    def count_classifiers(self) -> int:
        """Count the replicas that run, as Serve last told this process."""
        return GroupRouter.running

    def count_ingresses(self) -> int:
        """Count the ingress replicas that send groups, as a classifier last told this one."""
        return self._senders

    async def reload(self) -> list[ReloadOutcome]:
        """Have every classifier replica that runs load the checkpoint anew.

        A replica that is still starting is not asked; it may have read the old files already.

        Raises:
            ModelUnavailableError: none runs.
            DeadlineExceededError: one has not answered in RELOAD_S.
        """
        response = self._handle.broadcast("reload")
        try:
            found = await response.results_async(timeout_s=RELOAD_S, return_exceptions=True)
        except TimeoutError as exc:
            message = (
                f"A classifier has not answered in {RELOAD_S:.0f} s and may still be loading; "
                "the others may serve the new model."
            )
            raise DeadlineExceededError(message) from exc
        except CALL_ERRORS as exc:
            raise translate_error(exc) from exc
        failed = "The load failed unexpectedly; the log has the traceback."
        return [
            one
            if isinstance(one, ReloadOutcome)
            else ReloadOutcome(None, None, str(translate_error(one, failed)))
            for one in found
        ]
