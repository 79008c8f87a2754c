"""Run the service on this machine: start Ray and Serve, tell the progress, stop all of it.

On a cluster none of this runs: there `app.deployments:build` is deployed by Serve itself.
Ray is imported inside functions, because Serve reads its variables when it is imported.
"""

import contextlib
import http.client
import io
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil

from app.errors import SettingsError, StartupError
from app.interrupt import Interrupt
from app.logs import forward_lines
from app.proxy import Proxy, choose_proxy, list_serve_variables
from app.settings import Settings

APP_NAME = "vitrine"
READY_S = 60.0
"""Seconds from deployed to the first answer through the proxy."""
STOP_S = 6.0
"""Seconds that Serve gets to stop; what is left then is ended by its process id."""

_logger = logging.getLogger("vitrine.launch")


def run_service(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        StartupError: a setting or the checkpoint is wrong, or the service does not come up.
    """
    started = time.monotonic()
    proxy = choose_proxy(settings.proxy)
    _check_port(settings)
    interrupt = Interrupt()
    interrupt.catch()
    with _make_run_folder() as folder, forward_lines(folder / "log") as pipe:
        os.environ.update(list_serve_variables(proxy, folder))
        try:
            for step, act in _list_steps(settings, proxy, pipe):
                _tell(started, step)
                act()
                interrupt.catch()  # ray.init puts a handler of its own in place
            url = f"http://{settings.host}:{settings.port}"
            _tell(started, f"ready at {url} (try {url}/docs; Ctrl-C stops)")
            interrupt.wait()
        except KeyboardInterrupt:
            _logger.info("stopping")
        finally:
            _stop()
    _logger.info("stopped")


def _list_steps(
    settings: Settings, proxy: Proxy, pipe: Path
) -> list[tuple[str, Callable[[], None]]]:
    """List what brings everything up, and the words that tell of it."""
    return [
        ("starting Ray", partial(_start_ray, settings)),
        (f"Ray runs; starting Serve with {proxy} as proxy", partial(_start_serve, settings)),
        ("Serve runs; loading the model", partial(_deploy, settings, pipe)),
        ("the model is loaded; waiting for the proxy", partial(_wait_until_ready, settings)),
    ]


def _tell(started: float, step: str) -> None:
    """Log a step with the seconds since the start."""
    _logger.info("[%4.1f s] %s", time.monotonic() - started, step)


def _start_ray(settings: Settings) -> None:
    """Start a Ray of our own; it never joins another that runs here."""
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


def _start_serve(settings: Settings) -> None:
    """Start Serve's controller and proxy."""
    from ray import serve  # noqa: PLC0415

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.start(
        proxy_location="HeadOnly",
        http_options={"host": settings.host, "port": settings.port},
        logging_config={"enable_access_log": False, "log_level": "WARNING"},
    )


def _deploy(settings: Settings, pipe: Path) -> None:
    """Deploy the application and wait until its replicas run."""
    from ray import serve  # noqa: PLC0415

    from app.deployments import bind_application  # noqa: PLC0415

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


def _wait_until_ready(settings: Settings) -> None:
    """Wait for the first good answer through the proxy."""
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(host, settings.port, timeout=10)
        with contextlib.suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        time.sleep(0.1)
    raise StartupError("The model does not answer through the proxy; see the lines above.")


def _stop() -> None:
    """Stop Serve and Ray, then end by process id whatever of ours is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    children = psutil.Process().children(recursive=True)
    with contextlib.redirect_stdout(io.StringIO()):  # Ray tells of the actors that it ends
        stopper = threading.Thread(target=_stop_serve, daemon=True)
        stopper.start()
        stopper.join(STOP_S)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(children, timeout=2)


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


def _check_port(settings: Settings) -> None:
    """Refuse a port that is taken, before anything heavy starts."""
    try:
        with socket.create_server((settings.host, settings.port)):
            return
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else exc
        message = (
            f"Cannot listen on {settings.host}:{settings.port}: {reason}. "
            "Set VITRINE_PORT (and VITRINE_HOST) to a free one."
        )
        raise SettingsError(message) from exc


@contextlib.contextmanager
def _make_run_folder() -> Iterator[Path]:
    """Make a private folder and remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="vitrine-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
