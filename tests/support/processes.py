"""The processes of a running service: that none is replaced, and how much memory they come to."""

from contextlib import suppress
from pathlib import Path

import psutil

from tests.support.service import Service

_READS = "app.images.workers.worker"
_LASTING = ("ray::Serve", "ray::Proxy", "/raylet", "gcs_server", "app.cli.main")
"""What is never replaced; HAProxy's processes are, when Serve writes its file anew."""


def list_lasting(service: Service) -> dict[int, str]:
    """List the processes that last as long as the service, by id: replicas, and Ray's own."""
    lasting = {}
    for process in service.list_processes():
        with suppress(psutil.Error):
            command = " ".join(process.cmdline())
            if any(word in command for word in _LASTING):
                lasting[process.pid] = process.name()
    return lasting


def list_readers(service: Service) -> set[int]:
    """List the processes that read images, by id."""
    readers = set()
    for process in service.list_processes():
        with suppress(psutil.Error):
            if _READS in process.cmdline():
                readers.add(process.pid)
    return readers


class Growth:
    """The most that any one process of a service has grown by since this was made, in bytes."""

    def __init__(self, service: Service) -> None:
        self._before: dict[int, int] = {}
        for process in service.list_processes():
            with suppress(psutil.Error, OSError):
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # its peak is now
                self._before[process.pid] = process.memory_info().rss

    def read(self) -> int:
        """Read it; a process that has ended or began since does not count."""
        grown = [0]
        for number, before in self._before.items():
            with suppress(OSError, ValueError):
                grown.append(read_peak(number) - before)
        return max(grown)


def read_peak(number: int) -> int:
    """Read the most memory that a process has had resident, in bytes (Linux)."""
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return 1024 * int(peak)
