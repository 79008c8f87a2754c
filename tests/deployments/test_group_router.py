"""What the router counts of a replica's queue, and what it takes over from the replica."""

import asyncio
from dataclasses import dataclass

import pytest
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID

from app.deployments.group_router import GroupRouter

REPLICA = ReplicaID("one", DeploymentID("Classifier", "vitrine"))


@dataclass
class Replica:
    """What the router knows of a replica."""

    max_ongoing_requests: int = 4


class OneReplicaRouter(GroupRouter):
    """A router that has one replica."""

    curr_replicas = {REPLICA: Replica()}  # noqa: RUF012 - a property of Serve's


async def count_after(reported: int) -> int:
    """Count the groups in flight after two are sent and the replica has reported a number."""
    router = OneReplicaRouter(
        deployment_id=REPLICA.deployment_id,
        handle_source=DeploymentHandleSource.REPLICA,
        use_replica_queue_len_cache=True,
    )
    router.on_send_request(REPLICA)
    router.on_send_request(REPLICA)
    router.on_new_queue_len_info(REPLICA, reported)
    counted: int = router.replica_queue_len_cache.get(REPLICA)
    return counted


@pytest.mark.parametrize(("reported", "counted"), [(1, 2), (3, 2), (4, 4)])
def test_only_a_full_replica_is_believed(reported: int, counted: int) -> None:
    """The number of one that accepts comes with the answer: older than what was sent since."""
    assert asyncio.run(count_after(reported)) == counted
