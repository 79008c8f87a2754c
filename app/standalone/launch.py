"""Run the service on this machine: start Ray and Serve, tell the progress, stop all of it.

On a cluster none of this runs: there `app.deployments:build` is deployed by Serve itself.
Ray is imported inside functions, because Serve reads its variables when it is imported.
"""

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Never

from app.deployments.haproxy_config import APP_NAME, list_program_variables
from app.deployments.serve_environment import Proxy, choose_proxy, list_serve_variables
from app.errors import StartupError
from app.limits import derive_limits
from app.network import LOOPBACK, format_address
from app.observability.logs import forward_lines
from app.settings import Settings
from app.standalone.cluster import reload_checkpoint
from app.standalone.haproxy_drain import DRAIN_S
from app.standalone.preflight import check_folder, check_front, list_ports, wait_until_ready
from app.standalone.shutdown import (
    OVERDUE_S,
    end_now,
    end_processes,
    end_ray,
    list_children,
    stop_service,
)
from app.standalone.signals import Interrupt

ENVELOPE = 64 * 1024
"""Bytes that a gRPC message may have beside the image."""

_logger = logging.getLogger("vitrine.launch")


def run_service(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; SIGUSR1 has the checkpoint loaded anew.

    Raises:
        StartupError: a setting or the checkpoint is wrong, or the service does not come up.
    """
    started = time.monotonic()
    proxy = choose_proxy(settings.proxy)
    check_front(settings)
    fronts = {port: format_address(settings.host, port) for port in list_ports(settings)}
    front = fronts[settings.port]
    interrupt = Interrupt(OVERDUE_S, end_now)
    interrupt.start()
    with _make_run_folder() as folder, forward_lines(folder / "log") as pipe:
        variables = list_serve_variables(proxy, folder, settings.max_bytes + ENVELOPE)
        if proxy == "haproxy":
            check_folder(folder)
            variables |= list_program_variables(settings.host, derive_limits(settings).max_queue)
        os.environ.update(variables)
        try:
            for step, act in _list_steps(settings, proxy, pipe, interrupt):
                _tell(started, step)
                act()
                interrupt.catch()  # ray.init puts a handler of its own in place
            interrupt.patience_s = OVERDUE_S + DRAIN_S
            beside = f", gRPC at {fronts[settings.grpc_port]}" if settings.grpc_port else ""
            _tell(
                started, f"ready at http://{front}{beside} (try http://{front}/docs; Ctrl-C stops)"
            )
            _reload_when_told(settings, interrupt)
        except (KeyboardInterrupt, StartupError):
            if not interrupt.came:
                raise
            _logger.info("stopping")
        finally:
            stop_service(folder)
    _logger.info("stopped")


def _list_steps(
    settings: Settings, proxy: Proxy, pipe: Path, interrupt: Interrupt
) -> list[tuple[str, Callable[[], None]]]:
    """List what brings everything up, and the words that tell of it."""
    return [
        ("starting Ray", partial(_start_ray, settings, interrupt)),
        (f"Ray runs; starting Serve with {proxy} as proxy", partial(_start_serve, settings, proxy)),
        ("Serve runs; loading the model", partial(_deploy, settings, pipe)),
        ("the model is loaded; waiting for the proxy", partial(wait_until_ready, settings)),
    ]


def _reload_when_told(settings: Settings, interrupt: Interrupt) -> Never:
    """Have the checkpoint loaded anew at each SIGUSR1, until KeyboardInterrupt ends it."""
    while True:
        interrupt.wait()
        _logger.info("loading %s beside the model that serves", settings.model)
        reload_checkpoint()


def _tell(started: float, step: str) -> None:
    """Log a step with the seconds since the start."""
    _logger.info("[%4.1f s] %s", time.monotonic() - started, step)


def _start_ray(settings: Settings, interrupt: Interrupt, tries: int = 2) -> None:
    """Start a Ray of our own, with a second try: on a busy machine its start can time out."""
    with interrupt.deferred():  # an import in C would lose the exception, and print it
        import ray  # noqa: F401, PLC0415
    before = list_children()
    try:
        _init_ray(settings)
    except Exception as exc:  # Ray raises bare ones
        interrupt.catch()
        end_ray()
        end_processes([child for child in list_children() if child not in before])
        if tries == 1:
            raise StartupError(f"Ray did not start: {exc}. Is the machine very busy?") from exc
        _logger.warning("Ray did not start; trying once more", exc_info=True)
        _start_ray(settings, interrupt, tries - 1)


def _init_ray(settings: Settings) -> None:
    """Start a Ray that never joins another that runs here."""
    import ray  # noqa: PLC0415

    replicas = settings.ingress_replicas + settings.classifier_replicas
    ray.init(
        address="local",
        num_cpus=max(os.cpu_count() or 1, replicas),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=200 * 1024 * 1024,
    )


def _start_serve(settings: Settings, proxy: Proxy) -> None:
    """Start Serve's controller and proxy; behind HAProxy, Serve itself stays on this machine."""
    from ray import serve  # noqa: PLC0415

    from app.api.grpc.servicer import SERVICERS  # noqa: PLC0415

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.start(
        proxy_location="HeadOnly",
        http_options={
            "host": LOOPBACK if proxy == "haproxy" else settings.host,
            "port": settings.port,
        },
        grpc_options={
            "port": settings.grpc_port or 0,
            "grpc_servicer_functions": SERVICERS if settings.grpc_port else [],
        },
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )


def _deploy(settings: Settings, pipe: Path) -> None:
    """Deploy the application, and wait until it runs."""
    from ray import serve  # noqa: PLC0415

    from app.deployments.application import bind_application  # noqa: PLC0415

    try:
        serve.run(
            bind_application(settings, pipe),
            name=APP_NAME,
            route_prefix="/",
            logging_config={"enable_access_log": False, "log_level": "WARNING"},
        )
    except RuntimeError as exc:
        time.sleep(0.2)  # the replica's own line comes through the pipe first
        raise StartupError("The service did not start; the line above says why.") from exc


@contextlib.contextmanager
def _make_run_folder() -> Iterator[Path]:
    """Make a private folder and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="vitrine-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
