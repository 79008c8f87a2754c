"""Reload the checkpoint of the Serve that `vitrine serve` owns.

Ray is imported inside functions, because it reads its environment when it is imported.
"""

import asyncio
import functools
import logging
import threading

from app.deployments.haproxy_config import APP_NAME
from app.deployments.reload import ReloadOutcome, describe_outcomes
from app.errors import ProblemError

_logger = logging.getLogger("vitrine.launch")


def reload_checkpoint() -> None:
    """Have every classifier load the checkpoint anew, and log what came of it."""
    from app.deployments.handle_backend import CALL_ERRORS  # noqa: PLC0415

    try:
        outcomes = asyncio.run_coroutine_threadsafe(_ask_ingress(), _start_loop()).result()
    except (ProblemError, *CALL_ERRORS) as exc:
        reason = exc.detail if isinstance(exc, ProblemError) else type(exc).__name__
        _logger.error("no classifier was asked to reload: %s", reason)  # noqa: TRY400 - one line
    else:
        _logger.info("%s", describe_outcomes(outcomes))


async def _ask_ingress() -> list[ReloadOutcome]:
    """Call `Ingress.reload`."""
    from ray import serve  # noqa: PLC0415

    outcomes: list[ReloadOutcome] = await serve.get_app_handle(APP_NAME).reload.remote()
    return outcomes


@functools.cache
def _start_loop() -> asyncio.AbstractEventLoop:
    """Start an event loop in a thread: Serve's fast path binds a handle to the first one it meets.

    It keeps running, so that the handle learns of replicas that come and go.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop
