"""The Ray that a job runs on: one of its own on this machine, or a cluster's.

Ray reads its environment when it is imported, so this module imports it in functions only.
"""

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.errors import StartupError
from app.machine import count_cores

CORES_PER_ACTOR = 8
"""Cores of an actor without a GPU: one engine uses so many well, and a machine that has more runs
several."""

REACH_S = 10.0
"""Seconds that the head node of a cluster may take to accept a connection."""

OBJECT_STORE_BYTES = 100 << 20
"""Of a Ray of our own: nothing but the numbers of parts goes through it."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Ray tells its makers nothing, and the user only what this command tells."""

ALONE = {
    "RAY_enable_metrics_collection": "0",
    "RAY_worker_niceness": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_local_fs_capacity_threshold": "1",
}
"""Of a Ray of our own: no dashboard to measure for, no other machine, and no strangers. A disk that
is nearly full is no reason to stop, because nothing is spilled."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The actors of a job.

    Attributes:
        actors: how many.
        cpus: of each.
        gpus: of each.
        sharing: how many may be on one machine.
    """

    actors: int
    cpus: int
    gpus: int
    sharing: int


@contextmanager
def run_ray(address: str | None) -> Iterator[None]:
    """Run a Ray of our own, or connect to a cluster's, and end that.

    Raises:
        StartupError: it does not start, or no cluster answers.
    """
    os.environ.update(QUIET)
    if address is not None:
        _check_reachable(address)
        with _connect({"address": address}):
            yield
        return
    parent = "/tmp" if sys.platform == "darwin" else None  # noqa: S108 - paths of sockets must be short
    folder = tempfile.mkdtemp(prefix="vitrine-", dir=parent)
    os.environ.update(ALONE | {"RAY_TMPDIR": folder, "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    given = {"address": "local", "num_cpus": count_cores(), "include_dashboard": False}
    try:
        with _connect(given | {"object_store_memory": OBJECT_STORE_BYTES}):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_reachable(address: str) -> None:
    """Raise StartupError unless something listens at HOST:PORT; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as exc:
        message = f"--address {address} does not answer: {exc}. Give the head node of a cluster."
        raise StartupError(message) from exc


@contextmanager
def _connect(given: dict[str, object]) -> Iterator[None]:
    """Start or join a Ray, and leave it."""
    import ray  # noqa: PLC0415

    with _keep_quiet():
        _init(given)
        try:
            yield
        finally:
            ray.shutdown()


def _init(given: dict[str, object]) -> None:
    """Start or join a Ray; raises StartupError."""
    import ray  # noqa: PLC0415

    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **given)
    except Exception as exc:  # Ray raises bare ones, such as when a busy machine starts it late
        ray.shutdown()
        reason = str(exc).strip().partition("\n")[0]
        where = f"--address {given['address']}" if given["address"] != "local" else "Ray"
        raise StartupError(f"{where} does not start or answer: {reason}") from exc


@contextmanager
def _keep_quiet() -> Iterator[None]:
    """Keep what native code writes to standard error, which is Ray's, off the terminal."""
    sys.stderr.flush()
    kept, python = os.dup(2), sys.stderr
    with Path(os.devnull).open("wb") as nowhere, os.fdopen(kept, "w", buffering=1) as shown:
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = shown
        try:
            yield
        finally:
            os.dup2(kept, 2)
            sys.stderr = python


def plan_pool(nodes: list[dict[str, float]], parts: int, *, uses_gpu: bool) -> Pool:
    """Plan the actors so that no core and no GPU is taken twice.

    Args:
        nodes: resources of each machine, as Ray names them.
        parts: that are to be scored.
        uses_gpu: whether the model may run on a GPU.

    Raises:
        StartupError: no machine has a free core.
    """
    gpus = [int(node.get("GPU", 0)) for node in nodes] if uses_gpu else []
    if any(gpus):
        cpus = min(_share(node, each) for node, each in zip(nodes, gpus, strict=True) if each)
        return Pool(min(sum(gpus), parts), cpus, 1, max(gpus))
    cores = [int(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1]
    if not cores:
        raise StartupError("No machine of the cluster has a core. Add one, or leave out --address.")
    each = min(CORES_PER_ACTOR, *cores)
    counts = [max(1, core // each) for core in cores]
    return Pool(min(sum(counts), parts), each, 0, max(counts))


def _share(node: dict[str, float], actors: int) -> int:
    """Share the cores of a machine."""
    return max(1, int(node.get("CPU", 0)) // actors)
