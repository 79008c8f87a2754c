"""The processes of the service as they are now, by role, and as they were all along.

Reads /proc alone. Memory is what a process has allocated (anonymous pages): pages of files come
and go as the system likes, and no leak shows in them.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from bench.kit.processes import PROC, Process, find_tree, read_text, read_title

ROLES = {
    "ray::ServeReplica:vitrine:Ingress": "ingress replica",
    "ray::ServeReplica:vitrine:Classifier": "classifier replica",
    "ray::ServeController": "Serve controller",
    "ray::ProxyActor": "Serve proxy (fallback)",
    "ray::HAProxyManager": "HAProxy manager",
    "ray::DashboardAgent": "Ray dashboard agent",
    "ray::RuntimeEnvAgent": "Ray environment agent",
    "python -m app.images.worker": "reading process",
    "python -m app.cli.main": "vitrine serve",
    "python dashboard.py": "Ray dashboard",
    "python monitor.py": "Ray monitor",
    "python log_monitor.py": "Ray log monitor",
    "gcs_server": "Ray GCS",
    "raylet": "raylet",
    "haproxy": "HAProxy",
}
"""What a process is called by what its title begins with; Ray adds the method that runs."""

COUNTED = ("processes", "threads", "files", "sockets")


@dataclass(frozen=True)
class Sample:
    """What one process holds.

    Attributes:
        memory_mb: allocated.
        pss_mb: all that is resident, pages that others have too by its share of them.
        shared_mb: its share of shared memory.
        files: all open ones, sockets among them.
    """

    role: str
    memory_mb: float
    pss_mb: float
    shared_mb: float
    threads: int
    files: int
    sockets: int


Point = tuple[int, Sample]
"""A sample, and after how many requests it was taken."""


def name_role(title: str) -> str:
    """Return what a process is for, or its title."""
    return next((role for start, role in ROLES.items() if title.startswith(start)), title)


def read_fields(process: Process, name: str) -> dict[str, int]:
    """Return the numbers of a file of /proc whose lines are ``name: number``."""
    lines = (line.split() for line in read_text(PROC / str(process.pid) / name).splitlines())
    return {words[0]: int(words[1]) for words in lines if len(words) > 1 and words[1].isdigit()}


def list_files(process: Process) -> list[str]:
    """Return what every open file of the process is."""
    files = []
    with contextlib.suppress(OSError):
        for link in (PROC / str(process.pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                files.append(str(link.readlink()))
    return files


def read_sample(process: Process) -> Sample | None:
    """Return what the process holds now; None when it is gone, or not yet what it will be."""
    rollup, status = read_fields(process, "smaps_rollup"), read_fields(process, "status")
    files = list_files(process)
    if not rollup.get("Rss:") or not files:
        return None
    return Sample(
        name_role(read_title(process.pid)),
        round(rollup["Anonymous:"] / 1024, 2),
        round(rollup["Pss:"] / 1024, 2),
        round(rollup["Pss_Shmem:"] / 1024, 2),
        status["Threads:"],
        len(files),
        sum(file.startswith("socket:") for file in files),
    )


def sample_tree(root: int) -> dict[Process, Sample]:
    """Return what every process of the service holds now."""
    samples = {process: read_sample(process) for process in find_tree(root)}
    return {process: sample for process, sample in samples.items() if sample is not None}


def add_up(samples: Iterable[Sample]) -> dict[str, dict[str, int]]:
    """Return processes, threads, files and sockets of each role, all its processes together."""
    roles: dict[str, Counter[str]] = defaultdict(Counter)
    for one in samples:
        counts = zip(COUNTED, (1, one.threads, one.files, one.sockets), strict=True)
        roles[one.role].update(dict(counts))
    return {role: dict(counts) for role, counts in sorted(roles.items())}


class Watch:
    """The samples of every process, in the order that they were taken.

    Attributes:
        series: the points of each process; one that was replaced is another.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self.series: dict[Process, list[Point]] = defaultdict(list)

    def take(self, requests: int) -> None:
        """Take a sample of every process after so many requests."""
        for process, sample in sample_tree(self._root).items():
            self.series[process].append((requests, sample))
