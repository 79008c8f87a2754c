"""What a simulated cluster is made of: costs, a process that can die, and HAProxy's leastconn."""

import asyncio
import heapq
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

TURNS = 1e9
"""More than a server ever takes."""


@dataclass(frozen=True)
class Costs:
    """Milliseconds of each step for an image of 640x480.

    From docs/performance-history.md (64 connections): what HAProxy adds, the ingress's CPU for an
    image and that of reading it. Fitted from bench/results/2026-11-22-policy.json (by the test of
    this class): the CPU of a group in the process that sends it and in the classifier, and of a
    batch. A hop between processes is an assumption.
    """

    front: float = 0.25
    image: float = 2.0
    read: float = 3.9
    sent_group: float = 1.1
    group: float = 0.95
    batch: float = 2.0
    hop: float = 0.3


class Cores:
    """Work that waits in turn for a core; `busy_s` is what they have done."""

    def __init__(self, count: int = 1) -> None:
        self._free = [0.0] * count  # a heap: when each core has ended what it was given
        self.busy_s = 0.0

    async def work(self, ms: float) -> None:
        """Take so much time of one core, after what was asked for before."""
        now = asyncio.get_running_loop().time()
        end = max(now, self._free[0]) + ms / 1000
        heapq.heapreplace(self._free, end)
        self.busy_s += ms / 1000
        await asyncio.sleep(end - now)


class Process:
    """A process with one core; when it dies, what it holds ends with ConnectionError."""

    def __init__(self) -> None:
        self.core = Cores()
        self.is_alive = True
        self.held: set[asyncio.Task[None]] = set()

    async def hold(self, act: Coroutine[Any, Any, None]) -> None:
        """Do something in this process; raises ConnectionError where it is dead or dies."""
        if not self.is_alive:
            act.close()
            raise ConnectionError
        task = asyncio.create_task(act)
        self.held.add(task)
        task.add_done_callback(self.held.discard)
        try:
            await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if self.is_alive or (caller and caller.cancelling()):
                raise
            raise ConnectionError from None

    def kill(self) -> None:
        """Cut off all that is held."""
        self.is_alive = False
        for task in self.held:
            task.cancel()


class LeastConnections:
    """HAProxy's leastconn over servers: the fewest open, of these the one that waits longest.

    Args:
        order: the servers, each by its index, in the order of their first turn.
    """

    def __init__(self, order: Sequence[int]) -> None:
        self._open = np.zeros(len(order))
        self._turn = np.argsort(order)
        self._next = len(order)
        self.out = np.zeros(len(order))  # inf for a server that is out

    def take(self, avoided: int | None = None) -> int | None:
        """Open a connection to a server, if there is one, and another than the avoided one."""
        rank = self._open * TURNS + self._turn + self.out
        if avoided is not None:
            rank[avoided] = np.inf
        server = int(rank.argmin())
        if rank[server] == np.inf:
            return None
        self._put(server, 1)
        return server

    def close(self, server: int) -> None:
        """Close a connection."""
        self._put(server, -1)

    def _put(self, server: int, change: int) -> None:
        """Put a server behind those that have as many."""
        self._open[server] += change
        self._turn[server] = self._next
        self._next += 1
