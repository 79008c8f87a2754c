"""What the processes of a service hold, by role: all along, and at rest.

A service that leaks nothing comes back to the same at rest: processes, threads, files, sockets,
temporary files and slots of admission. Memory is what a process has allocated (anonymous pages):
pages of files come and go as the system likes, and no leak shows in them.
"""

import contextlib
import re
from collections import Counter, defaultdict
from pathlib import Path

import psutil

from bench.kit.results import Record
from bench.kit.servers import MB, read_title
from tests.support.service import Service

RAY_TITLE = re.compile(r"ray::([\w:]+)")
HAPROXY, READER = "haproxy", "python -m app.images.workers.worker"
COUNTED = ("processes", "threads", "files", "sockets")
MORE_THREADS = 4
"""Threads that a process may have more of: the pools of gRPC and Ray start them when they like."""

MORE_PIPES = 16
"""Files that HAProxy may have more of: it keeps the pipes through which it passes bytes on."""

Counts = dict[str, dict[str, int]]
"""Of each role how many of what."""

Point = tuple[int, float, float]
"""After how many requests, the MB allocated, and the MB resident, shared pages by their share."""

Series = dict[tuple[str, psutil.Process], list[Point]]
"""The points of each process, with its role; one that was replaced is another."""


def name_role(process: psutil.Process) -> str:
    """Return the title of a process, without the method that Ray adds."""
    title = read_title(process)
    return found[1] if (found := RAY_TITLE.match(title)) else title


def take_samples(service: Service, series: Series, requests: int) -> None:
    """Add a point for every process of the service."""
    for process in service.list_processes():
        with contextlib.suppress(psutil.Error):
            memory = process.memory_full_info()
            allocated = round((memory.rss - memory.shared) / MB, 2)
            point = (requests, allocated, round(memory.pss / MB, 2))
            series[name_role(process), process].append(point)


def take_rest(service: Service, folder: Path) -> Record:
    """Return counts and MB by role; `folder` has the service's temporary files."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    memory: dict[str, float] = defaultdict(float)
    for process in service.list_processes():
        with contextlib.suppress(psutil.Error):
            role, sockets = name_role(process), process.net_connections("all")
            held = (1, process.num_threads(), process.num_fds(), len(sockets))
            counts[role].update(dict(zip(COUNTED, held, strict=True)))
            info = process.memory_info()
            memory[role] += round((info.rss - info.shared) / MB, 1)
    found = {role: dict(count) for role, count in sorted(counts.items())}
    return {"counts": found, "memory_mb": memory, "temp_files": len(list_temp(folder))}


def list_temp(folder: Path) -> list[str]:
    """List the temporary files of the service; Ray's own are elsewhere."""
    return [str(one.relative_to(folder)) for one in folder.rglob("*") if not one.is_dir()]


def list_more(before: Counts, after: Counts) -> list[str]:
    """List what there is more of than before, beyond what pools may take."""
    allowed = {(role, "threads"): MORE_THREADS for role in after} | {(HAPROXY, "files"): MORE_PIPES}
    return [
        f"{role}: {count} {what}, {before.get(role, {}).get(what, 0)} before"
        for role, counts in after.items()
        for what, count in counts.items()
        if count > before.get(role, {}).get(what, 0) + allowed.get((role, what), 0)
    ]


def compare_rests(before: Record, after: Record, queue: dict[str, int]) -> list[str]:
    """List what more is held than before; of `queue`, /health's, slots that were not given back."""
    more = list_more(before["counts"], after["counts"])
    files = [rest["temp_files"] for rest in (before, after)]
    more += ["{} temporary files, {} before".format(*files[::-1])] * (files[1] > files[0])
    lost = ((what, queue[what]) for what in ("images", "bytes"))
    return more + [f"{count} {what} in flight at rest" for what, count in lost if count]
