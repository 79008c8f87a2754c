"""SIGINT and SIGTERM as an exception in the main thread. It knows nothing of what they stop."""

import signal
import threading
from types import FrameType


class Interrupt:
    """SIGINT and SIGTERM, kept even where the exception that they raise is lost in a callback."""

    def __init__(self) -> None:
        self._came = threading.Event()

    def catch(self) -> None:
        """Take the signals from here on; raises KeyboardInterrupt when one has come already."""
        signal.signal(signal.SIGINT, self._note)
        signal.signal(signal.SIGTERM, self._note)
        if self._came.is_set():
            raise KeyboardInterrupt

    def wait(self) -> None:
        """Wait for a signal; it raises KeyboardInterrupt."""
        self._came.wait()
        raise KeyboardInterrupt

    def _note(self, _signum: int, _frame: FrameType | None) -> None:
        if not self._came.is_set():  # a second one must not interrupt the stopping
            self._came.set()
            raise KeyboardInterrupt
