"""Replacements for what Ray Serve (2.60) has no setting for: where it listens, what it buffers.

Each replaces a function or class by its name in a module of Serve. A Serve without that name is
refused with an error, so that no port is open and no body is buffered without bound unnoticed.
"""

import asyncio
import os
from types import ModuleType
from typing import Any

import ray

from app.errors import StartupError
from app.network import LOOPBACK, format_address

RECEIVE_QUEUE_SIZE = 4
"""Messages of a body that are received ahead of what is read. uvicorn's have 320 KiB at most, the
64 KiB at which it stops reading and one more read, so this is some 1 MiB: enough that the next one
is there while one is written to a file, and little beside the image itself."""


def bind_replica() -> None:
    """Let this replica's gRPC server listen on 127.0.0.1, for which Serve has no setting.

    Serve starts that server after the constructor and asks for `[::]` (Ray 2.60), by a function
    whose name in its module is replaced here.

    Raises:
        StartupError: this Serve has no such function; nothing is opened to the network in silence.
    """
    from ray.serve._private import replica  # noqa: PLC0415 - on a replica alone

    bind = _find(replica, "add_port_to_grpc_server", "replicas cannot be kept on this machine")

    def bind_here(server: object, address: str) -> int:
        port: int = bind(server, f"{LOOPBACK}:{address.rpartition(':')[2]}")
        return port

    replica.add_port_to_grpc_server = bind_here


def bound_receive() -> None:
    """Receive HTTP bodies only as fast as they are read, instead of as fast as they come.

    Serve receives in a task of its own, to notice a disconnect, into a queue without bound (Ray
    2.60): 75 MB of a chunked body stood in it before the app had read 20 MB and refused the rest.
    When the queue is full that task waits, and uvicorn stops reading from the connection. What is
    never read waits until its request is answered: then Serve ends the task.

    Raises:
        StartupError: this Serve has no such class; no body is held without bound in silence.
    """
    from ray.serve._private import replica  # noqa: PLC0415 - on a replica alone

    serves = _find(replica, "ASGIDIReceiveProxy", "bodies cannot be held within bounds")

    class BoundedReceive(serves):  # type: ignore[misc, valid-type] # Serve's class has no types
        def __init__(
            self, scope: object, receive: object, user_event_loop: asyncio.AbstractEventLoop
        ) -> None:
            super().__init__(scope, receive, user_event_loop)
            if user_event_loop is asyncio.get_running_loop():  # else Serve puts and cannot wait
                self._queue: asyncio.Queue[Any] = asyncio.Queue(RECEIVE_QUEUE_SIZE)

    replica.ASGIDIReceiveProxy = BoundedReceive


def bind_grpc(host: str) -> None:
    """Let gRPC listen where HTTP does, for which Serve has no setting: it asks for `[::]`.

    The function that binds (Ray 2.60) is replaced by name in its module.

    Raises:
        StartupError: this Serve has no such function; nothing is opened to the network in silence.
    """
    from ray.serve._private import default_impl  # noqa: PLC0415 - where Serve serves alone

    bind = _find(default_impl, "add_grpc_address", f"gRPC cannot be kept on {host}")

    def bind_there(server: object, address: str) -> None:
        bind(server, format_address(host, int(address.rpartition(":")[2])))

    default_impl.add_grpc_address = bind_there


def drop_metrics() -> None:
    """Drop what Serve measures of each request, where Ray collects no metrics.

    Serve (2.60) has no setting for that: it keeps the latency of each request and records it in
    Ray's core, which drops it there.

    Raises:
        StartupError: this Ray records in another way.
    """
    if os.environ.get("RAY_enable_metrics_collection") != "0":  # noqa: SIM112 - Ray's name
        return
    from ray.util import metrics  # noqa: PLC0415 - on a replica alone

    lost = "what nobody collects cannot be dropped"
    metric = _find(metrics, "Metric", lost)
    _find(metric, "_record", lost)
    metric._record = lambda *_, **__: None  # noqa: SLF001 - see above


def _find(owner: ModuleType | type, name: str, else_: str) -> Any:  # noqa: ANN401 - has no types
    """Find what Serve takes by name; raises StartupError where it is not there."""
    found = getattr(owner, name, None)
    if found is None:
        message = (
            f"Ray {ray.__version__} has no {owner.__name__}.{name}, so {else_}. "
            "Install the Ray that constraints.txt names."
        )
        raise StartupError(message)
    return found
