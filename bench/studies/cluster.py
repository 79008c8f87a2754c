"""A simulated cluster: N fronts before M ingresses before K classifiers, on N nodes.

docs/scaling-method.md lists what is assumed.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Sequence

from app.errors import OverloadedError
from bench.studies.cluster_classifier import Shape, SimulatedClassifier
from bench.studies.cluster_ingress import Ingress, Router
from bench.studies.cluster_parts import Costs, LeastConnections, Process

ERROR_LIMIT = 3
"""Connection errors until a front takes a server out (`observe layer4`, Serve's default)."""

RETRIES = 8
"""Of one request by a front (RAY_SERVE_HAPROXY_RETRIES)."""


class Front(Process):
    """One HAProxy: leastconn by its own connections, and retries of small bodies."""

    def __init__(self, ingresses: list[Ingress], costs: Costs, order: Sequence[int]) -> None:
        super().__init__()
        self._ingresses, self._costs = ingresses, costs
        self._servers = LeastConnections(order)
        self._errors: Counter[int] = Counter()
        self.retried = 0

    async def serve(self, *, is_large: bool) -> str:
        """Serve a request; return its fate: answered, refused, cut (with a process) or failed."""
        if not self.is_alive:
            return "failed"
        try:
            await self.hold(self._forward(is_large=is_large))
        except OverloadedError:
            return "refused"
        except ConnectionError:
            return "cut"
        return "answered"

    async def _forward(self, *, is_large: bool) -> None:
        """Forward a request, and again where an ingress dies; raises ConnectionError."""
        await asyncio.sleep(self._costs.front / 1000)
        server = None
        for _ in range(1 + RETRIES):
            server = self._servers.take(server)
            if server is None:
                raise ConnectionError
            was_alive = self._ingresses[server].is_alive
            try:
                return await self._ingresses[server].answer()
            except ConnectionError:
                self._note_error(server)
                if is_large and was_alive:  # its body has left and is not kept
                    raise
                self.retried += 1
            finally:
                self._servers.close(server)
        raise ConnectionError

    def reset(self) -> None:
        """Read that all servers are there."""
        self._servers.out[:] = 0
        self._errors.clear()

    def _note_error(self, server: int) -> None:
        """Take a server out that has failed so often."""
        self._errors[server] += 1
        if self._errors[server] >= ERROR_LIMIT:
            self._servers.out[server] = math.inf


class Cluster:
    """The parts; node i has front i, and the ingresses and classifiers i, i + N, i + 2N..."""

    def __init__(self, shape: Shape, seed: int) -> None:
        self._nodes, self._live = shape.nodes, shape.ingresses
        self.classifiers = [SimulatedClassifier(shape) for _ in range(shape.classifiers)]
        self.ingresses = [
            Ingress(shape, Router(self.classifiers, seed + one), lambda: self._live)
            for one in range(shape.ingresses)
        ]
        generator, order = random.Random(seed), range(shape.ingresses)  # noqa: S311 - repeats itself
        self.fronts = []
        for _ in range(shape.nodes):
            turns = order if shape.is_reloaded else generator.sample(order, len(order))
            self.fronts.append(Front(self.ingresses, shape.costs, turns))

    def kill(self, node: int) -> None:
        """Kill all processes of a node; the others learn at once how many ingresses are left."""
        lost = self.ingresses[node :: self._nodes]
        self._live -= len(lost)
        for process in (self.fronts[node], *lost, *self.classifiers[node :: self._nodes]):
            process.kill()

    def revive(self) -> None:
        """Start again what is dead; all parts learn of it at once."""
        self._live = len(self.ingresses)
        for process in (*self.fronts, *self.ingresses, *self.classifiers):
            process.is_alive = True
        for ingress in self.ingresses:
            ingress.router.reset()
        for front in self.fronts:
            front.reset()
