"""What the Serve that runs already means for a Serve config file."""

from collections.abc import Iterator

from app.deployments.rollout.config import ServeConfig
from app.deployments.rollout.progress import ServeDetails
from app.errors import RolloutError

_VERSION = ("import_path", "runtime_env", "args")
"""What Serve takes for the version of an application; it replaces the replicas of another one."""

_KEPT = (
    ("http_options", "host"),
    ("http_options", "port"),
    ("grpc_options", "port"),
    ("grpc_options", "grpc_servicer_functions"),
)
"""What Serve reads when it starts, and keeps."""


def count_replaced(config: ServeConfig, before: ServeDetails) -> dict[str, int]:
    """Count the replicas that run and that Serve will replace, by deployment; empty if none.

    It does when the arguments or their like differ. What was deployed without a file, or is being
    deleted, has none, and differs.
    """
    if (application := before["applications"].get(config.application.name)) is None:
        return {}
    wanted = config.application.model_dump(exclude_unset=True)
    deployed = application["deployed_app_config"]
    if deployed and all(deployed.get(name) == wanted.get(name) for name in _VERSION):
        return {}
    running = {
        name: sum(replica["state"] == "RUNNING" for replica in one["replicas"])
        for name, one in application["deployments"].items()
    }
    return running if any(running.values()) else {}


def check_options(config: ServeConfig, before: ServeDetails) -> None:
    """Refuse options that a Serve that runs already would not take; raises RolloutError."""
    options = {
        "http_options": before.get("http_options") or {},
        "grpc_options": before.get("grpc_options") or {},
    }
    for group, name in _KEPT:
        running, wanted = options[group].get(name), getattr(getattr(config.schema, group), name)
        if before["controller_info"] and running != wanted:
            message = (
                f"Serve runs with {group}.{name} {running} and keeps it; the file has {wanted}. "
                "Change the file, or run `serve shutdown` first."
            )
            raise RolloutError(message)


def describe_deleted(config: ServeConfig, before: ServeDetails) -> Iterator[str]:
    """Describe the applications that Serve will delete, because the file does not have them."""
    names = {one.name for one in config.schema.applications}
    for name, one in before["applications"].items():
        if one["source"] == "declarative" and name not in names:
            yield f"{name} is not in the file, so Serve deletes it"
