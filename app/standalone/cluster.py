"""Start, deploy to and reload the Ray and the Serve that `vitrine serve` owns.

Ray is imported inside functions, because it reads its environment when it is imported.
"""

import asyncio
import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from app.deployments.haproxy_config import APP_NAME
from app.deployments.reload import ReloadOutcome, describe_outcomes
from app.errors import ProblemError, StartupError
from app.network import LOOPBACK
from app.ray_session import init_ray
from app.settings import Settings
from app.standalone.preflight import Proxy
from app.standalone.shutdown import end_processes, end_ray, list_children
from app.standalone.signals import Interrupt

_QUIET = {"enable_access_log": False, "log_level": "WARNING"}

POLL_S = 0.05
"""Seconds between two looks at whether Serve's controller runs."""

_logger = logging.getLogger("vitrine.launch")


def start_ray(settings: Settings, interrupt: Interrupt, tries: int = 2) -> None:
    """Start a Ray of our own, with a second try: on a busy machine its start can time out."""
    with interrupt.deferred():  # an import in C would lose the exception, and print it
        import ray  # noqa: F401, PLC0415
    threading.Thread(target=_import_serve, daemon=True).start()
    before = list_children()
    try:
        _init_ray(settings)
    except StartupError as exc:
        interrupt.catch()
        end_ray()
        end_processes([child for child in list_children() if child not in before])
        if tries == 1:
            message = f"{exc}. VITRINE_LOG_LEVEL=debug keeps its log files."
            raise StartupError(message) from exc
        _logger.warning("Ray did not start; trying once more", exc_info=True)
        start_ray(settings, interrupt, tries - 1)


def _init_ray(settings: Settings) -> None:
    """Start a Ray that never joins another that runs here."""
    replicas = settings.most_ingresses + settings.most_classifiers
    init_ray(
        address="local",
        num_cpus=max(os.cpu_count() or 1, replicas),
        include_dashboard=False,
        object_store_memory=200 * 1024 * 1024,
    )


def _import_serve() -> None:
    """Import what is needed next, while Ray's processes start."""
    with contextlib.suppress(ImportError):  # it comes again where it is needed
        import app.deployments.application  # noqa: F401, PLC0415


def start_serve(settings: Settings, proxy: Proxy) -> None:
    """Start Serve's controller; its proxy goes on starting while the model is loaded."""
    from ray import serve  # noqa: PLC0415

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    starting: Future[None] = Future()
    act = functools.partial(_start_serve, settings, proxy)
    threading.Thread(target=_settle, args=(starting, act), daemon=True).start()
    while not (starting.done() or serve.status().proxies):
        time.sleep(POLL_S)
    if starting.done():
        starting.result()


def _settle(starting: Future[None], act: Callable[[], None]) -> None:
    """Act; log why it fails, because `start_serve` may have returned by then."""
    from app.deployments.call_errors import CALL_ERRORS  # noqa: PLC0415

    failure = StartupError("Serve did not start; the lines above say why.")
    try:
        act()
    except (TimeoutError, RuntimeError, OSError, *CALL_ERRORS) as exc:
        _logger.error("Serve did not start: %s", exc)  # noqa: TRY400 - one line
        starting.set_exception(failure)
    else:
        starting.set_result(None)
    finally:
        if not starting.done():  # an error that nobody foresaw; the thread prints it
            starting.set_exception(failure)


def _start_serve(settings: Settings, proxy: Proxy) -> None:
    """Start the controller and wait for the proxy; behind HAProxy, Serve stays on this machine."""
    from ray import serve  # noqa: PLC0415

    from app.api.grpc.servicer import SERVICERS  # noqa: PLC0415

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
        logging_config=_QUIET,
    )


def deploy(settings: Settings, log_pipe: Path) -> None:
    """Deploy the application and wait until it runs; raises StartupError."""
    from ray import serve  # noqa: PLC0415

    from app.deployments.application import bind_application  # noqa: PLC0415

    application = bind_application(settings, log_pipe)
    try:
        serve.run(application, name=APP_NAME, route_prefix="/", logging_config=_QUIET)
    except RuntimeError as exc:
        time.sleep(0.2)  # the replica's own line comes through the pipe first
        raise StartupError("The service did not start; the line above says why.") from exc


def reload_checkpoint(replicas: int | None) -> None:
    """Have every classifier load the checkpoint anew; log what came of it.

    Args:
        replicas: how many there must be; None where their number follows the load.
    """
    from app.deployments.call_errors import CALL_ERRORS  # noqa: PLC0415

    try:
        outcomes = asyncio.run_coroutine_threadsafe(_ask_ingress(), start_loop()).result()
    except (ProblemError, *CALL_ERRORS) as exc:
        reason = exc.detail if isinstance(exc, ProblemError) else type(exc).__name__
        _logger.error("the reload failed: %s", reason)  # noqa: TRY400 - one line
    else:
        _logger.info("%s", describe_outcomes(outcomes, replicas or len(outcomes)))


async def _ask_ingress() -> list[ReloadOutcome]:
    """Call `Ingress.reload`."""
    from ray import serve  # noqa: PLC0415

    outcomes: list[ReloadOutcome] = await serve.get_app_handle(APP_NAME).reload.remote()
    return outcomes


@functools.cache
def start_loop() -> asyncio.AbstractEventLoop:
    """Start an event loop in a thread: Serve's fast path binds a handle to the first one it meets.

    It keeps running, so that the handle learns of replicas that come and go.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop
