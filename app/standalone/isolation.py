"""What keeps one service's Ray to itself and to this machine: a folder, ports and a token."""

import contextlib
import logging
import random
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.deployments.haproxy_config import find_program
from app.deployments.serve_environment import list_serve_variables, list_variables
from app.errors import StartupError
from app.standalone.preflight import Proxy

PORT_BLOCKS = range(20_000, 30_000, 100)
"""Where blocks of ports begin, below those that the system hands out: another process, or just an
outgoing connection, would take one of those between our choice and its use."""

_logger = logging.getLogger("vitrine.launch")


def list_environment(proxy: Proxy, folder: Path, max_bytes: int = 1 << 29) -> dict[str, str]:
    """List every variable of a Ray that is kept to this machine.

    Args:
        proxy: what receives requests.
        folder: private to this service; the files of Ray and HAProxy go there.
        max_bytes: size of the largest upload.

    Raises:
        StartupError: too few ports are free, or `vitrine-haproxy` is not installed.
    """
    program = str(find_program()) if proxy == "haproxy" else None
    return (
        list_serve_variables(max_bytes, program)
        | list_variables("node")
        | list_variables("secret", token=secrets.token_hex(32))
        | list_variables("machine", folder=folder, ports=_find_free_block())
    )


@contextlib.contextmanager
def make_run_folder() -> Iterator[Path]:
    """Make a private folder for one run and remove it at the end.

    After an unexpected exception, and with VITRINE_LOG_LEVEL=debug, it is kept for Ray's log files.
    """
    parent = "/tmp" if sys.platform == "darwin" else None  # noqa: S108 - paths of sockets must be short
    folder = Path(tempfile.mkdtemp(prefix="vitrine-", dir=parent))
    is_kept = True
    try:
        yield folder
        is_kept = False
    except (KeyboardInterrupt, StartupError):
        is_kept = False
        raise
    finally:
        remove_run_folder(folder, keep=is_kept)


def remove_run_folder(folder: Path, *, keep: bool = False) -> None:
    """Remove the folder of a run, unless it is to be kept or VITRINE_LOG_LEVEL=debug is set."""
    if keep or _logger.isEnabledFor(logging.DEBUG):
        _logger.warning("Ray's log files are kept in %s", folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _find_free_block() -> range:
    """Find a block of 100 ports for ingress replicas and proxies, all of them free now."""
    for start in random.sample(PORT_BLOCKS, len(PORT_BLOCKS)):
        block = range(start, start + PORT_BLOCKS.step)
        if all(map(_is_free, block)):
            return block
    raise StartupError("No ports between 20000 and 30000 are free for the service.")


def _is_free(port: int) -> bool:
    """Tell whether nothing listens on a port."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
