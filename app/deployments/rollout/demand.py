"""How many replicas must run at once for a rollout to end."""

from collections.abc import Mapping, Sequence

from ray.serve.config import AutoscalingConfig

from app.deployments.autoscaling import choose_classifier_replicas, choose_ingress_replicas
from app.deployments.rollout.capacity import Demand
from app.deployments.rollout.config import ServeConfig
from app.deployments.rollout.node import NodeReport, read_settings


def count_demand(
    config: ServeConfig, nodes: Sequence[NodeReport], running: Mapping[str, int]
) -> Demand:
    """Count the replicas that must run at once, and what a classifier takes.

    Args:
        config: what is to be deployed.
        nodes: what each reported.
        running: replicas that run and are to be replaced, by deployment; empty if none are.
    """
    settings = read_settings(nodes)
    options = {
        "Ingress": choose_ingress_replicas(settings),
        "Classifier": choose_classifier_replicas(settings),
    }
    ingresses, classifiers = (
        _count_replicas(config, name, one, running) for name, one in options.items()
    )
    has_gpus = any(node.gpus for node in nodes)
    on_gpus = settings.device == "cuda" or (settings.device == "auto" and has_gpus)
    gpus = config.find_override("Classifier", "num_gpus")
    if gpus is None:
        gpus = settings.gpus_per_replica if on_gpus else 0
    cpus = config.find_override("Classifier", "num_cpus")
    return Demand(ingresses, classifiers, 1 if cpus is None else cpus, gpus)


def _count_replicas(
    config: ServeConfig, name: str, options: Mapping[str, object], running: Mapping[str, int]
) -> int:
    """Count the replicas of a deployment, with those of the surge of an update."""
    count = config.find_override(name, "num_replicas") or options.get("num_replicas")
    if count is None:
        replicas = _count_scaled(options["autoscaling_config"], running.get(name, 0))
    else:
        replicas = int(str(count))
    surge = int(config.find_override(name, "max_surge_percent") or 0) if running else 0
    return replicas + (surge * replicas + 99) // 100


def _count_scaled(scaling: AutoscalingConfig, running: int) -> int:
    """Count the replicas of a deployment that follows the load: an update keeps those that run."""
    first: int | None = scaling.initial_replicas
    least, most = int(scaling.min_replicas), int(scaling.max_replicas)
    return min(max(least if first is None else first, running), most)
