"""What the process of every replica sets up before its deployment: log lines, where it listens."""

from pathlib import Path

import ray

from app.errors import StartupError
from app.logs import choose_format, configure_logging
from app.loopback import LOOPBACK, is_loopback
from app.settings import Settings

STOP_S = 20.0
"""Seconds that a replica gets to answer what it has begun."""

_BIND = "add_port_to_grpc_server"


def prepare_replica(settings: Settings, log_pipe: Path | None) -> None:
    """Prepare this replica's process; call it in a deployment's constructor.

    Raises:
        StartupError: the replica cannot be kept on this machine.
    """
    style = choose_format(settings.log_format, is_terminal=False)
    configure_logging(style, settings.log_level, log_pipe)
    if is_loopback(ray.util.get_node_ip_address()):
        bind_replica()


def bind_replica() -> None:
    """Let this replica's gRPC server listen on 127.0.0.1, for which Serve has no setting.

    Serve starts that server after the constructor and asks for `[::]` (Ray 2.60), by a function
    whose name in its module is replaced here.

    Raises:
        StartupError: this Serve has no such function; nothing is opened to the network in silence.
    """
    from ray.serve._private import replica as serve_replica  # noqa: PLC0415 - on a replica alone

    bind = getattr(serve_replica, _BIND, None)
    if bind is None:
        message = (
            f"Ray {ray.__version__} has no {serve_replica.__name__}.{_BIND}, so the replicas' gRPC "
            "ports cannot be kept on this machine. Install the Ray that constraints.txt names."
        )
        raise StartupError(message)

    def bind_here(server: object, address: str) -> int:
        port: int = bind(server, f"{LOOPBACK}:{address.rpartition(':')[2]}")
        return port

    setattr(serve_replica, _BIND, bind_here)
