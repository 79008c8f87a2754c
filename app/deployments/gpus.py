"""How many GPUs each classifier replica asks Ray for."""

import ray

from app.errors import SettingsError
from app.settings import Settings


def count_gpus(settings: Settings, *, may_grow: bool = False) -> float:
    """Count the GPUs of a classifier replica: 0 on the CPU, or if `auto` finds none in the cluster.

    Args:
        settings: all of them.
        may_grow: whether nodes may join later, as on Kubernetes, where the pods with GPUs start
            after the head or with the first replica that asks for one. `cuda` then waits for them.

    Raises:
        SettingsError: the replicas need more GPUs than there are, so some would never start.
    """
    explaining = settings.explainer_gpus if settings.explainer_replicas else 0  # of the first one
    if settings.device == "cpu":
        if explaining:
            message = "VITRINE_EXPLAINER_GPUS needs a GPU. Set it to 0, or another VITRINE_DEVICE."
            raise SettingsError(message)
        return 0
    if settings.device == "cuda" and may_grow:
        return settings.gpus_per_replica
    available = ray.cluster_resources().get("GPU", 0)
    if settings.device == "auto" and available == 0 and (may_grow or not explaining):
        return 0
    replicas = settings.classifier_replicas
    if settings.max_classifier_replicas:  # the others start when there are GPUs for them
        replicas = max(1, settings.min_classifier_replicas or 0)
    wanted = replicas * settings.gpus_per_replica
    if wanted + explaining > available:
        message = (
            f"VITRINE_CLASSIFIER_REPLICAS x VITRINE_GPUS_PER_REPLICA asks for {wanted:g} GPUs and "
            f"VITRINE_EXPLAINER_GPUS for {explaining:g}, but Ray sees {available:g}. Lower them, "
            "or set VITRINE_DEVICE=cpu."
        )
        raise SettingsError(message)
    return settings.gpus_per_replica
