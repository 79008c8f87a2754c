"""Asyncio tasks that wait in the service's replicas: ``python -m bench.soak.tasks ADDRESS``.

A process of its own joins the service's Ray, asks every replica and leaves; the service is not
changed for it. Prints one JSON document: of each replica's role the tasks by their coroutine.
"""

import json
import sys
from typing import Any

import ray

LIMIT_S = 60.0
ROLES = {"#Ingress#": "ingress replica", "#Classifier#": "classifier replica"}
"""Replicas by what their names hold; each has one event loop, on which it answers."""


def count_here(replica: Any) -> dict[str, int]:  # noqa: ANN401 - Serve's own, and private
    """Count the tasks of the event loop of a replica; runs there, on another thread."""
    import asyncio  # noqa: PLC0415 - it is sent to the replica by its code
    from collections import Counter  # noqa: PLC0415

    tasks = asyncio.all_tasks(replica._replica_impl._event_loop)  # noqa: SLF001
    return dict(Counter(task.get_coro().__qualname__ for task in tasks))


def main() -> None:
    """Ask every replica of the cluster at the address of the first argument."""
    ray.init(address=sys.argv[1], namespace="serve", logging_level="ERROR", log_to_driver=False)
    counts = {}
    for name in ray.util.list_named_actors():
        for part, role in ROLES.items():
            if part in name:
                asked = ray.get_actor(name).__ray_call__.remote(count_here)
                counts[role] = ray.get(asked, timeout=LIMIT_S)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
