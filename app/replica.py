"""What the process of every replica sets up before its deployment: log lines, where it listens.

And how much of a body an ingress replica receives ahead of what it reads.
"""

import asyncio
from pathlib import Path
from typing import Any

import ray

from app.errors import StartupError
from app.logs import choose_format, configure_logging
from app.loopback import LOOPBACK, is_loopback
from app.settings import Settings

STOP_S = 20.0
"""Seconds that a replica gets to answer what it has begun."""

AHEAD = 4
"""Messages of a body that are received ahead of what is read. uvicorn's have 320 KiB at most, the
64 KiB at which it stops reading and one more read, so this is some 1 MiB: enough that the next one
is there while one is written to a file, and little beside the image itself."""

_BIND = "add_port_to_grpc_server"
_RECEIVE = "ASGIDIReceiveProxy"


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
    bind = _find(_BIND, "the replicas' gRPC ports cannot be kept on this machine")

    def bind_here(server: object, address: str) -> int:
        port: int = bind(server, f"{LOOPBACK}:{address.rpartition(':')[2]}")
        return port

    _replace(_BIND, bind_here)


def bound_receive() -> None:
    """Let HTTP requests wait for who reads them, instead of being received as fast as they come.

    Serve receives on a task of its own, to hear a client hang up, into a queue without end (Ray
    2.60): 75 MB of a chunked body stood in it before the app had read 20 MB and refused the rest.
    When the queue is full that task waits, and uvicorn stops reading from the connection. What is
    never read waits until its request is answered: then Serve ends the task.

    Raises:
        StartupError: this Serve has no such class; no body is held without bound in silence.
    """
    serves = _find(_RECEIVE, "bodies of requests cannot be held within bounds")

    class BoundedReceive(serves):  # type: ignore[misc, valid-type] # Serve's class has no types
        def __init__(
            self, scope: object, receive: object, user_event_loop: asyncio.AbstractEventLoop
        ) -> None:
            super().__init__(scope, receive, user_event_loop)
            if user_event_loop is asyncio.get_running_loop():  # else Serve puts and cannot wait
                self._queue: asyncio.Queue[Any] = asyncio.Queue(AHEAD)

    _replace(_RECEIVE, BoundedReceive)


def _find(name: str, else_: str) -> Any:  # noqa: ANN401 - Ray's insides have no types
    """Find what a replica of Serve takes by name; raises StartupError where it is not there."""
    from ray.serve._private import replica  # noqa: PLC0415 - on a replica alone

    found = getattr(replica, name, None)
    if found is None:
        message = (
            f"Ray {ray.__version__} has no {replica.__name__}.{name}, so {else_}. "
            "Install the Ray that constraints.txt names."
        )
        raise StartupError(message)
    return found


def _replace(name: str, value: object) -> None:
    """Replace what a replica of Serve takes by name."""
    from ray.serve._private import replica  # noqa: PLC0415 - on a replica alone

    setattr(replica, name, value)
