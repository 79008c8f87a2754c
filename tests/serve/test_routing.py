"""What the router counts of a replica's queue, and what it takes over from the replica."""

import json
import subprocess
import sys

from tests.support.service import ROOT, make_environment

SCRIPT = """
import asyncio, json, sys
from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID
from app.deployments.group_router import GroupRouter

REPLICA = ReplicaID("one", DeploymentID("Classifier", "vitrine"))

class Replica:
    max_ongoing_requests = 4

class OneReplicaRouter(GroupRouter):
    curr_replicas = {REPLICA: Replica()}

async def count(reported):
    router = OneReplicaRouter(
        deployment_id=REPLICA.deployment_id,
        handle_source=DeploymentHandleSource.REPLICA,
        use_replica_queue_len_cache=True,
    )
    router.on_send_request(REPLICA)
    router.on_send_request(REPLICA)
    router.on_new_queue_len_info(REPLICA, reported)
    return router.replica_queue_len_cache.get(REPLICA)

print(json.dumps([asyncio.run(count(int(word))) for word in sys.argv[1:]]))
"""


def count_after(*reported: int) -> list[int]:
    """What is counted after two groups, and then each number that the replica reports."""
    command = [sys.executable, "-c", SCRIPT, *(str(number) for number in reported)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=make_environment()
    )
    counts: list[int] = json.loads(done.stdout.splitlines()[-1])
    return counts


def test_the_number_of_an_accepting_replica_does_not_replace_the_count() -> None:
    """It comes with the answer, older than what has been sent since."""
    assert count_after(1, 3) == [2, 2]


def test_a_full_replica_is_believed() -> None:
    """A replica that refuses tells its number at once."""
    assert count_after(4) == [4]
