"""How many replicas there are: a fixed number, or one that follows the load between two bounds.

The ingress and the explainer follow their requests in flight, the classifier its load
(`load_meter`).
"""

from typing import Any

from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from app.settings import Settings

INGRESS_REQUESTS = 32
"""Requests in flight at which an ingress replica has enough to do."""

EXPLANATIONS = 8
"""Explanations in flight at which an explainer replica has enough to do: two batches."""

REPORT_S, LOOK_BACK_S = 1.0, 3.0
"""Seconds between two reports of a replica, and those over which the controller averages."""

UP_S = 1.0
"""Seconds for which more replicas must be wanted."""


class ScaleByLoad:
    """Wants as many replicas as the loads of those that run add up to; Serve adds the delays.

    Serve calls it in its controller. With no replica, Serve itself starts one for the first group
    that waits.
    """

    def __call__(self, context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
        """Give the number of replicas, and no state."""
        loads = context.aggregated_metrics.get("load", {})
        return round(sum(loads.values()), 3), {}


def choose_classifier_replicas(settings: Settings) -> dict[str, object]:
    """Choose the options of the classifier's deployment that say how many replicas it has."""
    most, least = settings.max_classifier_replicas, settings.min_classifier_replicas
    if most is None:
        return {"num_replicas": settings.classifier_replicas}
    policy = AutoscalingPolicy(policy_function=ScaleByLoad)
    return _scale(1 if least is None else least, most, settings.scale_down_s, policy=policy)


def choose_ingress_replicas(settings: Settings) -> dict[str, object]:
    """Choose the options of the ingress' deployment that say how many replicas it has."""
    most, least = settings.max_ingress_replicas, settings.min_ingress_replicas
    if most is None:
        return {"num_replicas": settings.ingress_replicas}
    return _scale(least or 1, most, settings.scale_down_s, target_ongoing_requests=INGRESS_REQUESTS)


def choose_explainer_replicas(settings: Settings) -> dict[str, object]:
    """Choose the same for the explainer's: none before one is asked for, nor long after."""
    config = AutoscalingConfig(
        min_replicas=0,
        max_replicas=settings.explainer_replicas,
        metrics_interval_s=REPORT_S,
        look_back_period_s=LOOK_BACK_S,
        upscale_delay_s=UP_S,
        downscale_delay_s=settings.scale_down_s,
        target_ongoing_requests=EXPLANATIONS,
    )
    return {"autoscaling_config": config}


def _scale(least: int, most: int, scale_down_s: float, **more: object) -> dict[str, object]:
    """Scale between two bounds.

    Where none may run, the first one starts at once, so that a model that does not load is found.
    Else there is no initial number: Serve would go back to it at each update.
    """
    config = AutoscalingConfig(
        min_replicas=least,
        initial_replicas=None if least else 1,
        max_replicas=most,
        metrics_interval_s=REPORT_S,
        look_back_period_s=LOOK_BACK_S,
        upscale_delay_s=UP_S,
        downscale_delay_s=scale_down_s,
        **more,
    )
    return {"autoscaling_config": config}
