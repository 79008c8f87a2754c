"""The replicas that run, as Ray's dashboard tells of them."""

from dataclasses import dataclass
from typing import Any

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
    return [
        Replica(name, replica["node_ip"], replica["replica_id"])
        for name, one in read_deployments(dashboard, token).items()
        for replica in one["replicas"]
        if replica["state"] == "RUNNING"
    ]


def read_deployments(dashboard: str, token: str) -> dict[str, Any]:
    """Read what Serve tells of the application's deployments, by name."""
    url = f"{dashboard}/api/serve/applications/"
    told = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).json()
    deployments: dict[str, Any] = told["applications"]["vitrine"]["deployments"]
    return deployments
