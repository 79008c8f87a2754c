"""The ExplainerBackend that the ingress has: an explainer behind a Ray Serve handle."""

import asyncio

from ray.exceptions import RayTaskError
from ray.serve.handle import DeploymentHandle

from app.deployments.call_errors import call
from app.errors import ModelUnavailableError
from app.explainer_backend import Explained, ExplainTask

PAUSE_S = 0.5
"""Seconds before an image whose replica is gone is tried again: Serve takes a moment to notice."""

FAILED = "The explainer failed on this image."


class HandleExplainer:
    """An ExplainerBackend behind a Serve handle; what goes wrong is told as one of ours."""

    def __init__(self, handle: DeploymentHandle) -> None:
        self._explain = handle.explain  # looked up once: each look-up makes a handle anew

    async def explain(self, task: ExplainTask) -> Explained:
        """Explain an image on one of the explainer's replicas; starts one where none runs.

        To explain is to change nothing, so an image whose replica is gone goes to another, once.
        """
        try:
            return await self._ask(task)
        except ModelUnavailableError as problem:
            if isinstance(problem.__cause__, RayTaskError):  # the replica is there, and says so
                raise
            await asyncio.sleep(PAUSE_S)
        return await self._ask(task)

    async def _ask(self, task: ExplainTask) -> Explained:
        """Explain an image; raises ProblemError."""
        explained: Explained = await call(self._explain, task, failed=FAILED, replica="explainer")
        return explained
