"""What the service holds while nobody asks anything of it, and what it holds more of later.

A service that leaks nothing comes back to the same: processes, threads, files, sockets, tasks,
shared memory and temporary files.
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.compare.summary import Document
from bench.kit.processes import PROC, find_tree, read_text
from bench.kit.servers import ROOT, BenchError, read_environment
from bench.soak.watch import Sample, add_up, sample_tree

ADDRESS = "--gcs-address="
REST_S = 90.0
"""HAProxy lets half of its idle connections to a replica go every 5 s: 250 took 55 s."""

MORE_THREADS = 4
"""Threads that a process may have more of: the pools of gRPC and Ray start them when they like."""

MORE_PIPES = 16
"""Files that HAProxy may have more of: it keeps the pipes through which it passes bytes on."""

JOINED_BY = ("RAY_AUTH_", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=")
"""Of a Ray the variables that another process needs to join it; without the last it hangs."""

Counts = dict[str, dict[str, int]]
"""Of each role how many of what."""


@dataclass(frozen=True)
class House:
    """Where the service lives.

    Attributes:
        root: its first process.
        temp: where its temporary files go, and nobody else's.
    """

    root: int
    temp: Path


@dataclass(frozen=True)
class Rest:
    """What is held at rest: counts, and memory in MB, by role."""

    counts: Counts
    memory_mb: dict[str, float]
    pss_mb: dict[str, float]
    shared_mb: float
    temp_files: int

    def as_dict(self) -> Document:
        """Return the fields as JSON has them."""
        return asdict(self)


def wait_for_rest() -> None:
    """Wait until what the service was asked is long over."""
    time.sleep(REST_S)


def take_rest(house: House) -> Rest:
    """Return what is held now."""
    samples = list(sample_tree(house.root).values())
    return Rest(
        add_up(samples),
        add_memory(samples, "memory_mb"),
        add_memory(samples, "pss_mb"),
        round(sum(sample.shared_mb for sample in samples), 1),
        len(list_temp(house.temp)),
    )


def list_temp(folder: Path) -> list[str]:
    """List the temporary files of the service, without Ray's own, which stay for its logs."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.is_dir() and path.relative_to(folder).parts[0] != "ray"
    )


def add_memory(samples: list[Sample], field: str) -> dict[str, float]:
    """Return the memory of each role, all its processes together."""
    roles = sorted({sample.role for sample in samples})
    return {
        role: round(sum(getattr(one, field) for one in samples if one.role == role), 1)
        for role in roles
    }


def find_ray(root: int) -> tuple[str, dict[str, str]]:
    """Return where the service's own Ray is joined, and the variables that let one join."""
    for process in find_tree(root):
        for word in read_text(PROC / str(process.pid) / "cmdline").split("\0"):
            if word.startswith(ADDRESS):
                variables = read_text(PROC / str(process.pid) / "environ").split("\0")
                joined = dict(one.split("=", 1) for one in variables if one.startswith(JOINED_BY))
                return word.removeprefix(ADDRESS), joined
    raise BenchError("The service has no raylet.")


def count_tasks(house: House) -> Counts:
    """Return the tasks that wait in the replicas of the service.

    Who joins leaves a socket behind in Ray's GCS, so none joins between two rests.
    """
    address, variables = find_ray(house.root)
    done = subprocess.run(
        (sys.executable, "-m", "bench.soak.tasks", address),
        cwd=ROOT,
        env=read_environment() | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"The tasks could not be counted:\n{done.stderr}")
    found: Counts = json.loads(done.stdout.splitlines()[-1])
    return found


def count_allowed(role: str, what: str) -> int:
    """Return how much more there may be without a leak: nothing, but for pools."""
    if what == "threads":
        return MORE_THREADS
    return MORE_PIPES if (role, what) == ("HAProxy", "files") else 0


def list_more(before: Counts, after: Counts) -> list[str]:
    """List what there is more of than before, beyond what pools may take."""
    return [
        f"{role}: {count} {what}, {before.get(role, {}).get(what, 0)} before"
        for role, counts in after.items()
        for what, count in counts.items()
        if count > before.get(role, {}).get(what, 0) + count_allowed(role, what)
    ]


def compare_rests(before: Rest, after: Rest) -> list[str]:
    """List what more is held than before."""
    more = list_more(before.counts, after.counts)
    if after.temp_files > before.temp_files:
        more.append(f"{after.temp_files} temporary files, {before.temp_files} before")
    return more
