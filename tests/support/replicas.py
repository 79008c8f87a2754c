"""The replicas that run, as Ray's dashboard tells of them."""

from dataclasses import dataclass

import httpx


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica that runs.

    Attributes:
        deployment: its name.
        address: of its node.
        identity: another one for each replica that was ever started.
    """

    deployment: str
    address: str
    identity: str


def list_replicas(dashboard: str, token: str) -> list[Replica]:
    """List the replicas of the application that run."""
    url = f"{dashboard}/api/serve/applications/"
    told = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).json()
    return [
        Replica(name, replica["node_ip"], replica["replica_id"])
        for name, one in told["applications"]["vitrine"]["deployments"].items()
        for replica in one["replicas"]
        if replica["state"] == "RUNNING"
    ]
