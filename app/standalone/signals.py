"""SIGINT and SIGTERM as an exception in the main thread, SIGUSR1 as a wake-up, others as calls.

It knows nothing of what they stop or start.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, MappingProxyType


class Interrupt:
    """SIGINT and SIGTERM, kept even where the exception that they raise is lost in a callback.

    Args:
        patience_s: seconds from a signal until the process must have ended; may be changed.
        give_up: ends the process. It is called in a thread of its own when the time is up, also
            when the main thread is inside C code, where no exception reaches it.
        actions: what other signals start, each time in a thread of its own.
    """

    def __init__(
        self,
        patience_s: float,
        give_up: Callable[[], None],
        actions: Mapping[int, Callable[[], None]] = MappingProxyType({}),
    ) -> None:
        self._came = False
        self._is_deferred = False
        self._woken = threading.Event()
        self.patience_s = patience_s
        self._give_up = give_up
        self._actions = actions

    @property
    def came(self) -> bool:
        """Whether a signal has come."""
        return self._came

    def start(self) -> None:
        """Take the signals from here on."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reader,), daemon=True).start()
        self.catch()

    def catch(self) -> None:
        """Take the signals back; raises KeyboardInterrupt when one has come already."""
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, self._note)
        for number in (signal.SIGUSR1, *self._actions):
            signal.signal(number, lambda *_: None)  # the watching thread sees it
        if self.came:
            raise KeyboardInterrupt

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Raise what comes meanwhile at the end."""
        self._is_deferred = True
        yield
        self._is_deferred = False
        if self.came:
            raise KeyboardInterrupt

    def wait(self) -> None:
        """Wait for SIGUSR1; SIGINT and SIGTERM raise KeyboardInterrupt."""
        self._woken.wait()
        self._woken.clear()
        if self.came:
            raise KeyboardInterrupt

    def _note(self, _signum: int, _frame: FrameType | None) -> None:
        if not self.came:  # a second one must not interrupt the stopping
            self._came = True
            if not self._is_deferred:
                raise KeyboardInterrupt

    def _watch(self, wakeups: int) -> None:
        while (number := os.read(wakeups, 1)[0]) not in {signal.SIGINT, signal.SIGTERM}:
            if number == signal.SIGUSR1:  # not in a handler: it could deadlock with `wait`
                self._woken.set()
            elif action := self._actions.get(number):
                threading.Thread(target=action, daemon=True).start()
        time.sleep(self.patience_s)
        self._give_up()
