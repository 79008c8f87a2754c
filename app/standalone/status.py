"""The status line of `vitrine serve`: the metrics of all replicas, collected again and again."""

import asyncio
import functools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.deployments.haproxy_config import APP_NAME
from app.observability.metrics import Snapshot
from app.observability.status_line import StatusLine
from app.standalone.cluster import start_loop
from app.standalone.status_figures import describe, take_reading

if TYPE_CHECKING:
    from app.deployments.collect_metrics import MetricsCollector

INTERVAL_S = 2.0
"""Seconds between two collections."""

TIMEOUT_S = 5.0
"""Seconds for a collection, in which each replica gets two to answer."""

DEPLOYMENTS = ("Ingress", "Classifier")
"""Those that count what is shown."""


@contextmanager
def show_status(output: StatusLine) -> Iterator[None]:
    """Show what the service does, from a thread, where `output` is a terminal that can."""
    stopped = threading.Event()
    if output.is_live:
        threading.Thread(target=_update, args=(output, stopped), daemon=True, name="status").start()
    try:
        yield
    finally:
        stopped.set()
        output.close()


def _update(output: StatusLine, stopped: threading.Event) -> None:
    """Collect and show until it is stopped."""
    from app.deployments.call_errors import CALL_ERRORS  # noqa: PLC0415 - Ray runs by now

    before = None
    while not stopped.is_set():
        collected = asyncio.run_coroutine_threadsafe(_collect(), start_loop())
        try:
            after = take_reading(collected.result(TIMEOUT_S), time.monotonic())
            output.show(describe(before or after, after))
            before = after
        except (*CALL_ERRORS, TimeoutError):
            output.show("no replica answers")
        except OSError:  # the terminal is gone
            return
        stopped.wait(INTERVAL_S)


async def _collect() -> Sequence[Snapshot]:
    """Collect as an ingress replica does for /metrics, whoever may read that."""
    snapshots, _ = await _make_collector().collect()
    return snapshots


@functools.cache
def _make_collector() -> "MetricsCollector":
    """Make what collects; its handles keep their connections to the replicas."""
    from ray import serve  # noqa: PLC0415 - as above

    from app.deployments.collect_metrics import MetricsCollector  # noqa: PLC0415 - as above

    handles = {name: serve.get_deployment_handle(name, APP_NAME) for name in DEPLOYMENTS}
    return MetricsCollector(
        {name: handle.options(_by_reference=False) for name, handle in handles.items()}
    )
