"""The Ray that `vitrine tune` works on: one of its own on this machine, or a cluster.

Ray is imported inside functions, because it reads its environment when it is imported.
"""

import contextlib
import logging
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator

from app.errors import StartupError
from app.machine import count_cores

MIN_CPUS = 2
"""Of a Ray of our own: one for the trainer, and one for what reads images."""

OWN = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_enable_metrics_collection": "0",
    "RAY_worker_niceness": "0",
    "RAY_AUTH_MODE": "token",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Environment of a Ray of our own: it is told to nobody and is nobody else's. Ray Train looks every
0.2 s for reports, which each epoch waits for, instead of every 2 s; and threads of torch that have
nothing to do leave the cores to others, instead of waiting in a loop."""


@contextlib.contextmanager
def start_ray(address: str | None) -> Iterator[None]:
    """Start a Ray of our own, or join a cluster; at the end it is gone, or left.

    Raises:
        StartupError: it does not start, or nothing answers at the address.
    """
    parent = "/tmp" if sys.platform == "darwin" else None  # noqa: S108 - paths of sockets must be short
    folder = tempfile.mkdtemp(prefix="vitrine-", dir=parent)
    if address is None:
        os.environ.update(OWN | {"RAY_TMPDIR": folder, "RAY_AUTH_TOKEN": secrets.token_hex(32)})
    try:
        _connect(address)
        yield
    finally:
        import ray  # noqa: PLC0415

        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _connect(address: str | None) -> None:
    """Connect to Ray."""
    import ray  # noqa: PLC0415

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address is not None:
            ray.init(address, **quiet)
        else:
            ray.init(
                "local",
                num_cpus=max(MIN_CPUS, count_cores()),
                include_dashboard=False,
                _node_ip_address="127.0.0.1",
                **quiet,
            )
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        where = f"No Ray answers at --address {address}" if address else "Ray did not start"
        raise StartupError(f"{where}: {reason}") from exc
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True  # the same seed gives the same run
    context.print_on_execution_start = False
    for name in ("ray.data", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
