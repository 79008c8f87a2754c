"""Stop all that `vitrine serve` has started, in time, and by process id alone."""

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Never

import psutil

from app.standalone.haproxy_drain import DRAIN_S, drain
from app.standalone.isolation import remove_run_folder

SERVE_S = 6.0
"""Seconds that Serve and Ray get to stop; what is left then is ended."""

OVERDUE_S = 8.5
"""Seconds from the signal until the process ends itself, whatever it is doing; what is in flight
gets DRAIN_S more."""

_logger = logging.getLogger("vitrine.launch")


def stop_service(folder: Path) -> None:
    """Answer what has begun, stop Serve and Ray, then end whatever of ours is left.

    Args:
        folder: private to this service; the files of Ray and HAProxy are in it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if unanswered := drain(folder):
        _logger.warning("%d requests had no answer in %.0f s and are dropped", unanswered, DRAIN_S)
    children = list_children()
    with contextlib.redirect_stdout(io.StringIO()):  # Ray tells of the actors that it ends
        stopper = threading.Thread(target=_stop_serve, daemon=True)
        stopper.start()
        stopper.join(SERVE_S)
    end_processes(children)
    end_processes(list_strays(folder))


def end_now(folder: Path) -> Never:
    """End this process and all that came of it, from any thread, and remove its folder."""
    _logger.warning("stopping took too long; ending the processes that are left")
    end_processes(list_children())
    remove_run_folder(folder)
    os._exit(0)


def list_children() -> list[psutil.Process]:
    """List all processes that came of this one."""
    return psutil.Process().children(recursive=True)


def list_strays(folder: Path) -> list[psutil.Process]:
    """List the HAProxy processes of a service's private folder, also those of another parent.

    HAProxy reloads by starting another process, whose parent has ended if that happens in a stop.
    """
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (words := process.info["cmdline"])
        and any(word.endswith("haproxy") for word in words)  # `vitrine-haproxy` becomes it
        and any(word.startswith(f"{folder}/") for word in words)
    ]


def end_processes(processes: list[psutil.Process]) -> None:
    """End processes, and wait until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=1)


def end_ray() -> None:
    """Leave a Ray whose start has failed half-way."""
    import ray  # noqa: PLC0415

    ray.shutdown()


def _stop_serve() -> None:
    """Ask Serve and Ray to stop; requests that have begun are answered."""
    if "ray" not in sys.modules:
        return
    import ray  # noqa: PLC0415
    from ray import serve  # noqa: PLC0415

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    if ray.is_initialized():
        serve.shutdown()
        ray.shutdown()
