"""Signals end the process, whatever its main thread does."""

import signal
import subprocess
import sys
import time

import pytest

IMPORT = "from app.standalone.signals import Interrupt"
IN_C_CODE = """
interrupt = Interrupt(0.3, lambda: os._exit(7))
interrupt.start()
print(flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)
"""
LOST = """
class Slow:
    def __del__(self):
        print(flush=True)
        time.sleep(5)

interrupt = Interrupt(60, lambda: os._exit(7))
interrupt.start()
slow = Slow()
del slow
try:
    interrupt.catch()
except KeyboardInterrupt:
    os._exit(3)
"""


def run_until(number: signal.Signals, code: str) -> int:
    """Run code, send the signal once it has printed a line; gives its exit code."""
    command = [sys.executable, "-c", f"import hashlib, os, time\n{IMPORT}\n{code}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        time.sleep(0.5)  # it is past the line by now, inside what the test is about
        process.send_signal(number)
        return process.wait(timeout=20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_main_thread_inside_c_code_does_not_hold_the_end_up(number: signal.Signals) -> None:
    """Where no exception reaches the main thread, the process is ended when the time is up."""
    assert run_until(number, IN_C_CODE) == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_lost_exception_comes_again(number: signal.Signals) -> None:
    """An exception that a destructor swallows is raised at the next step."""
    assert run_until(number, LOST) == 3


def test_a_signal_that_is_deferred_is_raised_at_the_end() -> None:
    """What runs meanwhile is not interrupted."""
    script = (
        "import os, signal\n"
        "from app.standalone.signals import Interrupt\n"
        "interrupt = Interrupt(60, lambda: None)\n"
        "interrupt.start()\n"
        "try:\n"
        "    with interrupt.deferred():\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        print('undisturbed')\n"
        "except KeyboardInterrupt:\n"
        "    print('raised', interrupt.came)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines() == ["undisturbed", "raised True"]
