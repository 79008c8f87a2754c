"""What the process of every replica sets up before its deployment: log lines, where it listens."""

from pathlib import Path

import ray

from app.logs import choose_format, configure_logging
from app.loopback import is_loopback
from app.patches import bind_replica
from app.settings import Settings

STOP_S = 20.0
"""Seconds that a replica gets to answer what it has begun."""


def prepare_replica(settings: Settings, log_pipe: Path | None) -> None:
    """Prepare this replica's process; call it in a deployment's constructor.

    Raises:
        StartupError: the replica cannot be kept on this machine.
    """
    style = choose_format(settings.log_format, is_terminal=False)
    configure_logging(style, settings.log_level, log_pipe)
    if is_loopback(ray.util.get_node_ip_address()):
        bind_replica()
