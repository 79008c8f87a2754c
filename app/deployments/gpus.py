"""What the replicas take of a Ray cluster."""

import ray

from app.errors import SettingsError
from app.settings import Settings


def count_gpus(settings: Settings) -> float:
    """Count the GPUs of a classifier replica: none without a GPU in the cluster, or on the CPU.

    Raises:
        SettingsError: the cluster has fewer than the replicas would wait for, for ever.
    """
    if settings.device == "cpu":
        return 0
    there = ray.cluster_resources().get("GPU", 0)
    if settings.device == "auto" and there == 0:
        return 0
    wanted = settings.classifier_replicas * settings.gpus_per_replica
    if wanted > there:
        message = (
            f"VITRINE_CLASSIFIER_REPLICAS x VITRINE_GPUS_PER_REPLICA asks for {wanted:g} GPUs, "
            f"but Ray sees {there:g}. Lower them, or set VITRINE_DEVICE=cpu."
        )
        raise SettingsError(message)
    return settings.gpus_per_replica
