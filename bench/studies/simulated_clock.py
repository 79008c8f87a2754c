"""An asyncio event loop whose clock jumps: seconds of waiting take no time.

What runs on it (the service's own `Coalescer`, the simulated cluster) is ordinary asyncio code.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class JumpingSelector(selectors.SelectSelector):
    """Waits for no file: it adds what the loop would wait to the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass; raises RuntimeError when nothing is scheduled."""
        if timeout is None:
            raise RuntimeError("The simulation waits for something that nobody does.")
        self.now += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop with the clock of its selector, which begins at 0 s."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the simulated seconds since the start."""
        return self._jumping.now


def run_simulated(act: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a simulated clock."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(act)
