"""The application: `build` makes it from settings and binds the deployments.

Settings come in as one value and leave as plain ones.
"""

from collections.abc import Mapping
from pathlib import Path

from ray import serve
from ray.serve.config import RequestRouterConfig

from app.auth.keys import is_hashed
from app.deployments.autoscaling import (
    choose_classifier_replicas,
    choose_explainer_replicas,
    choose_ingress_replicas,
)
from app.deployments.classifier import Classifier
from app.deployments.explainer import Explainer
from app.deployments.gpus import count_gpus
from app.deployments.group_router import GroupRouter
from app.deployments.ingress import Ingress
from app.deployments.self_check import check_exposure
from app.errors import SettingsError
from app.settings import Settings

INGRESS_ONGOING = 100_000
"""Requests that Serve lets into an ingress replica: more than HAProxy lets through, so that none
waits unseen and all that is refused is refused by us, typed."""

EXPLAINER_ONGOING = 64
"""Explanations that Serve lets into an explainer replica: those that eight ingresses admit."""

STANDALONE_SETTINGS = {
    "host": "http_options.host in the Serve config file",
    "port": "http_options.port in the Serve config file",
    "grpc_port": "grpc_options in the Serve config file",
    "proxy": "RAY_SERVE_ENABLE_HA_PROXY in the environment that Ray starts in",
}
"""Settings that only `vitrine serve` reads, and what to set instead of each elsewhere."""


def build(args: dict[str, object] | Settings) -> serve.Application:
    """Build the application from settings; those not given come from the environment.

    Args:
        args: settings by name, as `serve run` and a Serve config file give them, or all of them.

    Raises:
        SettingsError: an argument is refused (`read_arguments`), or the service would be open to
            whoever reaches its address.
    """
    if isinstance(args, Settings):
        return bind_application(args)
    settings = read_arguments(args)
    check_exposure(settings)
    return bind_application(settings, may_grow=True)


def read_arguments(args: Mapping[str, object]) -> Settings:
    """Read the settings from arguments; those not given come from the environment.

    Raises:
        SettingsError: an argument is refused (`check_arguments`).
    """
    check_arguments(args)
    return Settings(**args)  # type: ignore[arg-type] # validated right here


def check_arguments(args: Mapping[str, object]) -> None:
    """Refuse what is a setting, but no argument.

    Raises:
        SettingsError: a name is one that only `vitrine serve` reads, or a key is given as itself.
    """
    for name, instead in STANDALONE_SETTINGS.items():
        if name in args:
            raise SettingsError(f"{name} is read by `vitrine serve` alone. Set {instead}.")
    if "api_keys" in args and not is_hashed(str(args["api_keys"])):
        raise SettingsError("api_keys takes name:sha256:HASH alone, because Serve keeps arguments.")


def bind_application(
    settings: Settings,
    log_pipe: Path | None = None,
    *,
    may_grow: bool = False,
    classifier: serve.Deployment = Classifier,
) -> serve.Application:
    """Bind the deployments.

    Args:
        settings: all of them.
        log_pipe: named pipe for log lines; None for standard error.
        may_grow: whether nodes may join this Ray later.
        classifier: the deployment that scores.
    """
    scoring = classifier.options(
        **choose_classifier_replicas(settings),
        request_router_config=RequestRouterConfig(request_router_class=GroupRouter),
        max_ongoing_requests=max(64, 4 * settings.batch_size),
        ray_actor_options={
            "num_cpus": 1,
            "num_gpus": count_gpus(settings, may_grow=may_grow),
        },
    ).bind(settings, log_pipe)
    return Ingress.options(  # type: ignore[attr-defined] # the same
        **choose_ingress_replicas(settings),
        max_ongoing_requests=INGRESS_ONGOING,
        ray_actor_options={"num_cpus": 1},
    ).bind(settings, scoring, _bind_explainer(settings, log_pipe), log_pipe)


def _bind_explainer(settings: Settings, log_pipe: Path | None) -> serve.Application | None:
    """Bind the explainer; None where there is to be none.

    It reserves no CPU: what it uses, nothing else needs.
    """
    if not settings.explainer_replicas:
        return None
    return Explainer.options(  # type: ignore[attr-defined] # the same
        **choose_explainer_replicas(settings),
        max_ongoing_requests=EXPLAINER_ONGOING,
        ray_actor_options={"num_cpus": 0, "num_gpus": settings.explainer_gpus},
    ).bind(settings, log_pipe)
