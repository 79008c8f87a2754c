"""Which classifier replica gets a group: the one that has fewer of ours, of two drawn at random.

Over gRPC, Serve (2.60) learns how long a replica's queue was when a group was accepted only with
the answer to that group, a batch too late, because gRPC's asyncio client gives a unary call's
first metadata together with its end. Taken over, that old number hides what has been sent since,
and groups pile up on one replica while another idles. What this process has sent and got back it
counts itself; that count is kept.

Serve tells a router which replicas run; from here the limits of the ingress learn how many.
"""

from collections.abc import Sequence
from typing import ClassVar

from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter
from ray.serve.request_router import ReplicaID, RunningReplica


class GroupRouter(PowerOfTwoChoicesRequestRouter):  # type: ignore[misc] # Ray is not followed
    """Serve's router, but for numbers that are old by the time that they come.

    Attributes:
        running: replicas of the classifier that run, as this process was told last; an ingress has
            one such router. One before it was told.
    """

    running: ClassVar[int] = 1

    def update_replicas(self, replicas: Sequence[RunningReplica]) -> None:
        """Take over the replicas that run, and count them."""
        super().update_replicas(replicas)
        GroupRouter.running = len(replicas)

    def on_new_queue_len_info(self, replica_id: ReplicaID, num_ongoing_requests: int) -> None:
        """Take over the number of a full replica, which has refused; the others are old."""
        replica = self.curr_replicas.get(replica_id)
        if replica is None or num_ongoing_requests >= replica.max_ongoing_requests:
            super().on_new_queue_len_info(replica_id, num_ongoing_requests)
