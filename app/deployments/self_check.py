"""What every replica checks when it starts: that its process has what the service needs.

What it lacks is said in one line with what that costs. What would be unsafe is refused. Importing
this module does not import Ray.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from app.deployments.haproxy_config import APP_NAME, BINARY_PATH, PROGRAM
from app.deployments.serve_environment import describe_missing
from app.errors import SettingsError, StartupError
from app.network import is_loopback
from app.settings import Settings

_logger = logging.getLogger("vitrine.environment")


def has_haproxy(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether HAProxy passes requests on to this process."""
    return environment.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"


def check_environment(
    environment: Mapping[str, str] = os.environ, *, is_alone: bool = False
) -> None:
    """Log which variables this process lacks.

    Args:
        environment: of the process.
        is_alone: whether no other node can join this one.

    Raises:
        StartupError: HAProxy would be unsafe.
    """
    program = environment.get(BINARY_PATH, "")
    if has_haproxy(environment) and Path(program).name != PROGRAM:
        message = (
            f"{BINARY_PATH} must be the path of {PROGRAM} on every node: Serve's "
            "own HAProxy gives every user of a machine its admin socket. `vitrine env` lists what "
            "to set."
        )
        raise StartupError(message)
    if missing := describe_missing(environment, is_alone=is_alone):
        _logger.warning("not set here: %s. `vitrine env` lists them.", "; ".join(missing))


def check_name(name: str, environment: Mapping[str, str] = os.environ) -> None:
    """Log that HAProxy does not know an application by this name."""
    if has_haproxy(environment) and name != APP_NAME:
        _logger.warning(
            "the application is named %s, but HAProxy's rules are for %s: full replicas are asked "
            "for every image, and tell clients by a header. Deploy it by that name.",
            name,
            APP_NAME,
        )


def check_exposure(settings: Settings) -> None:
    """Refuse a service without keys that others reach, unless it is allowed.

    Raises:
        SettingsError: it is open, by the address of the Serve that runs here.
    """
    import ray  # noqa: PLC0415 - see above
    from ray.serve.context import _get_global_client  # noqa: PLC0415

    if not ray.is_initialized():
        return
    client = _get_global_client(raise_if_no_controller_running=False)
    if client is not None:
        refuse_open_address(settings, client.http_config.host)


def refuse_open_address(settings: Settings, host: str) -> None:
    """Refuse an address that others reach if no key is asked for; raises SettingsError."""
    if settings.api_keys or settings.allow_unauthenticated or is_loopback(host):
        return
    message = (
        f"Whoever reaches {host} could use the model: no key is set. Make one with `vitrine key` "
        "and set VITRINE_API_KEYS, or set VITRINE_ALLOW_UNAUTHENTICATED=true (docs/security.md)."
    )
    raise SettingsError(message)
