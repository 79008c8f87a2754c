"""What Serve tells of a rollout: how far it is, whether it is complete, why it failed."""

import re
from collections.abc import Mapping
from typing import NotRequired, TypedDict

_READY = {"HEALTHY", "DRAINING", "DRAINED"}
_FAILED = {"DEPLOY_FAILED", "UNHEALTHY"}

GIVEN_UP = ("The deployment failed to start", "The rolling update of this deployment failed")
"""How Serve's message begins when it starts no more replicas of a deployment."""


class Replica(TypedDict):
    """A replica, of the members that are used here; so are the others."""

    state: str
    start_time_s: float


class Deployment(TypedDict):
    """A deployment."""

    status: str
    status_trigger: str
    message: str
    target_num_replicas: int
    replicas: list[Replica]


class Application(TypedDict):
    """An application."""

    status: str
    message: str
    last_deployed_time_s: float
    source: str
    deployed_app_config: dict[str, object] | None
    deployments: dict[str, Deployment]


class ServeDetails(TypedDict):
    """The answer of `GET /api/serve/applications/`."""

    controller_info: dict[str, str]
    applications: dict[str, Application]
    proxies: dict[str, dict[str, str]]
    proxy_location: NotRequired[str]
    http_options: NotRequired[dict[str, object]]
    grpc_options: NotRequired[dict[str, object]]


class Rollout:
    """A rollout of some applications, which may have run before it."""

    def __init__(self, names: list[str], before: ServeDetails) -> None:
        self._before = {
            name: before["applications"][name]["last_deployed_time_s"]
            if name in before["applications"]
            else 0.0
            for name in names
        }

    def describe(self, details: ServeDetails) -> str:
        """Describe how far it is."""
        parts = [_describe_application(one) for one in self._select(details).values()]
        if waiting := [one for one in details["proxies"].values() if not _is_ready(one)]:
            parts.append(f"{len(waiting)} of {len(details['proxies'])} proxies not ready")
        return ", ".join(parts) or "waiting for Serve"

    def is_complete(self, details: ServeDetails) -> bool:
        """Tell whether all of it runs, behind proxies that are ready."""
        found = self._select(details)
        has_proxy = bool(details["proxies"]) or details.get("proxy_location") == "Disabled"
        return (
            found.keys() == self._before.keys()
            and all(one["status"] == "RUNNING" for one in found.values())
            and has_proxy
            and all(map(_is_ready, details["proxies"].values()))
        )

    def find_failure(self, details: ServeDetails) -> str | None:
        """Find why it failed, and whether replicas of all deployments go on."""
        for name, application in self._select(details).items():
            if application["status"] in _FAILED and not _may_recover(application):
                return f"{name} is {application['status']}: {_find_reason(application)}"
        return None

    def _select(self, details: ServeDetails) -> dict[str, Application]:
        """Select the applications about which Serve tells of this rollout, not of one before."""
        return {
            name: one
            for name, one in details["applications"].items()
            if one["last_deployed_time_s"] > self._before.get(name, float("inf"))
        }


def _is_ready(proxy: Mapping[str, str]) -> bool:
    """Tell whether a proxy passes requests on, or need not any more."""
    return proxy["status"] in _READY


def _may_recover(application: Application) -> bool:
    """Tell whether Serve goes on with each deployment that has failed."""
    failed = [one for one in application["deployments"].values() if one["status"] in _FAILED]
    return bool(failed) and not any(map(_is_given_up, failed))


def _is_given_up(deployment: Deployment) -> bool:
    """Tell whether a deployment has failed for good.

    Serve replaces a replica that fails its health check or is killed. Until the new one runs the
    status is UNHEALTHY, or DEPLOY_FAILED where the rollout had not ended.
    """
    is_replacing = deployment["status_trigger"] == "HEALTH_CHECK_FAILED"
    is_final = not is_replacing or deployment["message"].startswith(GIVEN_UP)
    return deployment["status"] in _FAILED and is_final


def _describe_application(application: Application) -> str:
    """Describe the replicas of an application."""
    if not application["deployments"]:
        return "building the application"
    since = application["last_deployed_time_s"]
    return ", ".join(
        f"{name} {_count_replicas(one, since)}"
        for name, one in application["deployments"].items()
        if not _may_be_none(one)
    )


def _may_be_none(deployment: Deployment) -> bool:
    """Tell whether a deployment has no replica on purpose, as an explainer that nobody asks."""
    return not deployment["target_num_replicas"] and not deployment["replicas"]


def _count_replicas(deployment: Deployment, since: float) -> str:
    """Count the replicas that run, and apart from them those that were there before."""
    running = [one for one in deployment["replicas"] if one["state"] == "RUNNING"]
    old = [one for one in running if one["start_time_s"] < since]
    if deployment["status"] == "HEALTHY":
        old = []
    notes = [f"{len(old)} from before"] if old else []
    if deployment["status"] in _FAILED:
        notes.append("a replica failed")
    count = f"{len(running) - len(old)} of {deployment['target_num_replicas']}"
    return f"{count} ({', '.join(notes)})" if notes else count


def _find_reason(application: Application) -> str:
    """Find the last line of the error of a deployment, else of the application, and who is left."""
    deployments = application["deployments"]
    messages = [one["message"] for one in deployments.values() if _is_given_up(one)]
    lines = [*messages, application["message"]][0].strip().splitlines() or ["Serve gives no reason"]
    reason = re.sub(r"^app\.errors\.\w+: ", "", lines[-1].strip())
    left = [
        name
        for name, one in deployments.items()
        if _may_be_none(one) or any(replica["state"] == "RUNNING" for replica in one["replicas"])
    ]
    if deployments and len(left) == len(deployments):
        return f"{reason} The replicas that run go on serving."
    gone = [name for name in deployments if name not in left]
    return f"{reason} {' and '.join(gone)} has no replica left." if gone else reason
