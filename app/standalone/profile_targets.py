"""The processes of a running service on this machine that a profile is made of.

They are known by their titles, which Ray gives its workers, and are this user's alone. On a cluster
they are those of the node on which this runs.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import psutil

from app.deployments.haproxy_config import APP_NAME
from app.errors import ProfileError
from app.images.workers.process import WORKER

_REPLICA = f"ray::ServeReplica:{APP_NAME}:"
_KINDS = {
    f"{_REPLICA}Ingress": "ingress",
    f"{_REPLICA}Classifier": "classifier",
    f"{_REPLICA}Explainer": "explainer",
}
"""What the title of a replica begins with; the method that it runs may follow."""

MAX_COMMAND = 80
"""Characters of a command that are shown."""


class Target(NamedTuple):
    """A process to profile.

    Attributes:
        kind: ingress, classifier, explainer or reading.
        pid: its id.
    """

    kind: str
    pid: int


def find_targets(service: int | None = None) -> list[Target]:
    """Find the processes of the service that runs here.

    Args:
        service: id of `vitrine serve`, or of another process that its replicas come of; None where
            one service alone runs.

    Raises:
        ProfileError: no replica runs, or those of several services do.
    """
    replicas = _find_replicas(service)
    if not replicas:
        of = "" if service is None else f" that comes of process {service}"
        message = f"No replica of Vitrine{of} runs here as this user. Is the service ready?"
        raise ProfileError(message)
    if len(parents := {*replicas.values()}) > 1:
        found = "; ".join(sorted(map(_describe_service, parents)))
        raise ProfileError(f"Several services run here: {found}. Choose one with --pid.")
    return [target for replica in replicas for target in _list_targets(replica)]


def _list_targets(replica: psutil.Process) -> Iterator[Target]:
    """List a replica and the processes that read images for it."""
    with suppress(psutil.Error):  # it has ended since it was found
        yield Target(_find_kind(replica) or "", replica.pid)
        for child in replica.children():
            if WORKER in child.cmdline():
                yield Target("reading", child.pid)


def _find_replicas(service: int | None) -> dict[psutil.Process, int]:
    """Find the replicas of this user, of one service if that is told; each with its parent's id."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_ours = process.uids().real == os.getuid() and _find_kind(process)
            if is_ours and service in {None, *(parent.pid for parent in process.parents())}:
                found[process] = process.ppid()
    return found


def _find_kind(process: psutil.Process) -> str | None:
    """Find what a process is, by its title."""
    title = " ".join(process.cmdline()[:1])
    return next((kind for start, kind in _KINDS.items() if title.startswith(start)), None)


def _describe_service(raylet: int) -> str:
    """Describe a service by the process to choose it by: `vitrine serve`, or the node's raylet."""
    with suppress(psutil.Error):
        process = psutil.Process(raylet)
        parent = process.parent()
        shown = parent if parent and "serve" in parent.cmdline() else process
        command = " ".join(" ".join(shown.cmdline()).split())
        return f"{shown.pid} ({command[:MAX_COMMAND]})"
    return f"{raylet} (has ended)"
