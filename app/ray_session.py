"""Ray's start, and the Ray that `vitrine score` or `vitrine tune` works on: its own or a cluster's.

Ray reads its environment when it is imported, so this module imports it in functions only.
"""

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from app.errors import StartupError
from app.network import LOOPBACK

REACH_S = 10.0
"""Seconds that the head node of a cluster may take to accept a connection."""

ALWAYS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_AUTO_CONNECT": "0"}
"""Environment of a process that works on any Ray: it sends nothing, and a thread that still calls
Ray when that has ended does not start another one."""

OWN = {
    "RAY_enable_metrics_collection": "0",
    "RAY_worker_niceness": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
}
"""Environment of a Ray of our own: no dashboard to measure for, no other machine, and nobody else
who may use it."""

_ON_A_NODE = "Run the command on a node of the cluster, with --address auto."


@contextmanager
def run_ray(
    address: str | None, environment: Mapping[str, str], **resources: float
) -> Iterator[None]:
    """Run a Ray of our own, or connect to a cluster's, and end that; what it writes is not shown.

    Nor is what is printed meanwhile, unless it goes to the stream that was the standard output. A
    process can start one of its own only once: Ray keeps the token of the first.

    Args:
        address: of a cluster, such as `auto` or `HOST:PORT`; None for one of our own.
        environment: more variables of one of our own.
        resources: options of `ray.init` for one of our own.

    Raises:
        StartupError: it does not start, or no cluster answers.
    """
    os.environ.update(ALWAYS)
    if address is not None:
        _check_reachable(address)
        with _connect({"address": address}):
            yield
        return
    parent = "/tmp" if sys.platform == "darwin" else None  # noqa: S108 - paths of sockets must be short
    folder = tempfile.mkdtemp(prefix="vitrine-", dir=parent)
    token = {"RAY_TMPDIR": folder, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ.update({**OWN, **environment, **token})
    given = {"address": "local", "include_dashboard": False, "_node_ip_address": LOOPBACK}
    try:
        with _connect(given | resources):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_reachable(address: str) -> None:
    """Raise StartupError unless something listens at HOST:PORT; Ray itself tries for minutes.

    Ray Data and Ray Train (2.60) do not run over Ray Client, whose addresses begin with ray://.
    """
    if address.startswith("ray://"):
        message = f"--address {address}: a job does not run over Ray Client. {_ON_A_NODE}"
        raise StartupError(message)
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except (OSError, OverflowError) as exc:
        message = f"--address {address} does not answer: {exc}. Give the head node of a cluster."
        raise StartupError(message) from exc


@contextmanager
def _connect(given: Mapping[str, object]) -> Iterator[None]:
    """Start or join a Ray, and leave it."""
    import ray  # noqa: PLC0415

    with _keep_quiet():
        try:
            init_ray(**given)
            _configure_data()
            yield
        finally:
            ray.shutdown()


def init_ray(**given: object) -> None:
    """Start or join a Ray.

    Args:
        given: options of `ray.init`.

    Raises:
        StartupError: it does not start, or no cluster answers.
    """
    import ray  # noqa: PLC0415

    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **given)
    except Exception as exc:  # Ray raises bare ones, such as when a busy machine starts it late
        reason = str(exc).strip().partition("\n")[0]
        where = f"--address {given['address']}" if given["address"] != "local" else "Ray"
        raise StartupError(f"{where} does not start or answer: {reason}") from exc


def _configure_data() -> None:
    """Have Ray Data and Ray Train write nothing, and give the same run for the same seed."""
    from ray.data import DataContext  # noqa: PLC0415

    for name in ("ray.data", "ray.train"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what fails comes as an error
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_options.preserve_order = True


@contextmanager
def _keep_quiet() -> Iterator[None]:
    """Keep what Ray writes off the terminal: its native code, and its lines on dead processes."""
    sys.stderr.flush()
    kept, python = os.dup(2), sys.stderr
    with Path(os.devnull).open("w") as nowhere, os.fdopen(kept, "w", buffering=1) as shown:
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = shown
        try:
            with redirect_stdout(nowhere):
                yield
        finally:
            os.dup2(kept, 2)
            sys.stderr = python
