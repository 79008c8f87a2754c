"""A Ray of the benchmark's own, with Serve's fast path and no HTTP, and the CPU that it uses.

Ray is imported inside functions, because Serve reads its variables when it is imported.
"""

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

from app.deployments.serve_environment import list_serve_variables
from app.standalone.shutdown import list_children, stop_service

T = TypeVar("T")


@contextlib.contextmanager
def run_cluster() -> Iterator[None]:
    """Start Ray and Serve as `vitrine serve` does, but for the proxy, and stop them."""
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as folder:
        os.environ.update(list_serve_variables("python", Path(folder)))
        import ray  # noqa: PLC0415
        from ray import serve  # noqa: PLC0415

        try:
            ray.init(
                address="local",
                num_cpus=os.cpu_count(),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=200 * 1024 * 1024,
            )
            logging.getLogger("ray.serve").setLevel(logging.ERROR)
            quiet = {"enable_access_log": False, "log_level": "WARNING"}
            serve.start(proxy_location="Disabled", logging_config=quiet)
            yield
        finally:
            logging.getLogger("ray.serve").disabled = True  # it would tell that our loop rests
            stop_service(Path(folder))


def find_classifiers() -> list[psutil.Process]:
    """List the classifiers' replicas among the processes that came of this one."""
    titles = [(child, " ".join(child.cmdline()[:1])) for child in list_children()]
    return [child for child, title in titles if "Replica" in title and "Driver" not in title]


async def watch_cpu(act: Awaitable[T]) -> tuple[T, float, float]:
    """Await; return also the cores that the classifiers used and those that the machine did."""
    classifiers = find_classifiers()
    psutil.cpu_percent()
    before, started = sum_cpu(classifiers), time.monotonic()
    result = await act
    used = (sum_cpu(classifiers) - before) / (time.monotonic() - started)
    machine = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
    return result, round(used, 2), round(machine, 2)


def sum_cpu(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds that processes have used."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)
