"""The metrics of all replicas, which any ingress replica collects when it is asked for them."""

import asyncio
from collections.abc import Mapping, Sequence

import ray
from prometheus_client.metrics_core import Metric
from ray import serve
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from app.deployments.call_errors import CALL_ERRORS
from app.deployments.proxy_metrics import read_proxy
from app.observability.logs import make_context
from app.observability.metrics import Snapshot, take_snapshot

TIMEOUT_S = 2.0
"""Seconds that a replica gets to answer; Prometheus gives a scrape ten."""

METHOD = "take_metrics"
"""What each replica is asked for."""

Collected = tuple[Sequence[Snapshot], Mapping[str, int]]
"""The snapshots; and, by deployment, the number of replicas that gave none."""


async def take_replica_snapshot(devices: Sequence[Metric] = ()) -> Snapshot:
    """Take the snapshot of this replica, and of its node.

    Args:
        devices: metrics of devices of the node, which others may use too.
    """
    proxy = await asyncio.to_thread(read_proxy)
    context, node = serve.get_replica_context(), ray.util.get_node_ip_address()
    own = take_snapshot(context.deployment, context.replica_id.unique_id)
    return own._replace(node=node, node_metrics=[*proxy, *devices])


class MetricsCollector:
    """Collects the snapshots of all replicas that run; concurrent scrapes share them.

    Args:
        handles: of the deployments, by name.
        timeout_s: that each replica gets.
    """

    def __init__(
        self, handles: Mapping[str, DeploymentHandle], timeout_s: float = TIMEOUT_S
    ) -> None:
        self._handles = handles
        self._timeout_s = timeout_s
        self._collecting: asyncio.Task[Collected] | None = None

    async def collect(self) -> Collected:
        """Collect them, or wait for those that are being collected."""
        if self._collecting is None or self._collecting.done():
            # Outside any request's context: Serve cancels the calls of a cancelled request.
            self._collecting = asyncio.create_task(self._collect(), context=make_context())
        return await asyncio.shield(self._collecting)

    async def _collect(self) -> Collected:
        """Ask every deployment at once."""
        asked = (_ask(handle, self._timeout_s) for handle in self._handles.values())
        found = dict(zip(self._handles, await asyncio.gather(*asked), strict=True))
        snapshots = [one for answers in found.values() for one in answers if one is not None]
        return snapshots, {name: answers.count(None) for name, answers in found.items()}


async def _ask(handle: DeploymentHandle, timeout_s: float) -> list[Snapshot | None]:
    """Ask each replica of a deployment; None for one that gives no answer in time.

    `results_async` would give none at all where one is missing, so each is waited for by itself.
    """
    until = asyncio.get_running_loop().time() + timeout_s
    try:
        async with asyncio.timeout_at(until):
            calls = await handle.broadcast(METHOD)._fetch_replica_results_async()  # noqa: SLF001 - see ray_internals
    except DeploymentUnavailableError:
        return []  # none runs
    except (*CALL_ERRORS, TimeoutError):
        return [None]  # at least one
    tasks = [asyncio.ensure_future(call.get_async()) for call in calls]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=until - asyncio.get_running_loop().time())
    finally:
        for task in tasks:
            task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)  # over gRPC errors come raw
    return [answer if isinstance(answer, Snapshot) else None for answer in answers]
