"""Run the service on this machine: check, start Ray and Serve, reload when told, stop all of it.

On a cluster none of this runs: there `app.deployments:build` is deployed by Serve itself.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Never

from app.classifier.checkpoint.files import Checkpoint
from app.classifier.startup import convert_ahead
from app.deployments.haproxy_config import list_program_variables
from app.deployments.haproxy_log import list_log_variables
from app.errors import StartupError
from app.network import format_address
from app.observability.logs import choose_format, forward_lines
from app.observability.status_line import StatusLine
from app.settings import Settings
from app.standalone import cluster
from app.standalone.haproxy_drain import DRAIN_S
from app.standalone.isolation import list_environment, make_run_folder
from app.standalone.preflight import (
    Proxy,
    check_address,
    check_folder,
    check_proxy,
    choose_proxy,
    wait_until_ready,
)
from app.standalone.profile import profile_service
from app.standalone.shutdown import OVERDUE_S, end_now, stop_service
from app.standalone.signals import Interrupt
from app.standalone.status import show_status

_logger = logging.getLogger("vitrine.launch")


def run_service(settings: Settings, checkpoint: Checkpoint, output: StatusLine) -> None:
    """Serve until SIGINT or SIGTERM; SIGUSR1 loads the checkpoint anew, SIGUSR2 profiles.

    Args:
        settings: all of them.
        checkpoint: what they name now; it is converted while Ray starts.
        output: where log lines go, and the status of the service.

    Raises:
        StartupError: a setting or the checkpoint is wrong, or the service does not come up.
    """
    proxy = choose_proxy(settings.proxy)
    check_proxy(settings, proxy)
    check_address(settings)
    with make_run_folder() as folder, forward_lines(folder / "log", output) as pipe:
        actions = {int(signal.SIGUSR2): partial(profile_service, os.getpid())}
        interrupt = Interrupt(OVERDUE_S, partial(end_now, folder), actions)
        interrupt.start()
        try:
            convert_ahead(settings, checkpoint)
            os.environ.update(_list_environment(settings, proxy, folder, pipe))
            _start(settings, proxy, pipe, interrupt)
            with show_status(output):
                _reload_when_told(settings, interrupt)
        except (KeyboardInterrupt, StartupError):
            if not interrupt.came:
                raise
            _logger.info("stopping")
        finally:
            stop_service(folder)
    _logger.info("stopped")


def _reload_when_told(settings: Settings, interrupt: Interrupt) -> Never:
    """Have the checkpoint loaded anew at each SIGUSR1."""
    scales = settings.max_classifier_replicas is not None
    while True:
        interrupt.wait()
        _logger.info("loading %s beside the model that serves", settings.model)
        cluster.reload_checkpoint(None if scales else settings.classifier_replicas)


def _start(settings: Settings, proxy: Proxy, pipe: Path, interrupt: Interrupt) -> None:
    """Bring everything up, and log each step with the seconds since the first."""
    started = time.monotonic()
    for words, act in _list_steps(settings, proxy, pipe, interrupt):
        _logger.info("[%4.1f s] %s", time.monotonic() - started, words)
        act()
        interrupt.catch()  # ray.init puts a handler of its own in place
    interrupt.patience_s = OVERDUE_S + DRAIN_S
    seconds = time.monotonic() - started
    _logger.info("[%4.1f s] ready at %s", seconds, _describe_addresses(settings))


def _list_steps(
    settings: Settings, proxy: Proxy, pipe: Path, interrupt: Interrupt
) -> list[tuple[str, Callable[[], None]]]:
    """List what brings everything up, each with the words for the log."""
    return [
        ("starting Ray", partial(cluster.start_ray, settings, interrupt)),
        (
            f"Ray runs; starting Serve with {proxy} as proxy",
            partial(cluster.start_serve, settings, proxy),
        ),
        ("Serve runs; loading the model", partial(cluster.deploy, settings, pipe)),
        ("the model is loaded; waiting for the proxy", partial(wait_until_ready, settings)),
    ]


def _list_environment(settings: Settings, proxy: Proxy, folder: Path, pipe: Path) -> dict[str, str]:
    """List the variables that Ray, Serve and HAProxy are started with."""
    check_folder(folder, proxy)
    variables = list_environment(proxy, folder, settings.max_bytes)
    if proxy == "python":
        return variables
    style = choose_format(settings.log_format, is_terminal=False)
    logged = list_log_variables(pipe, style, settings.log_level)
    own = list_program_variables(settings.host, settings.metrics_port)
    return variables | own | logged


def _describe_addresses(settings: Settings) -> str:
    """Describe where clients reach the service."""
    http = format_address(settings.host, settings.port)
    port = settings.grpc_port
    grpc = f", gRPC at {format_address(settings.host, port)}" if port else ""
    return f"http://{http}{grpc} (try http://{http}/docs; Ctrl-C stops)"
