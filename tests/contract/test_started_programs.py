"""What tests start leaves nothing behind, and ends by SIGINT wherever the tests run."""

import signal
import sys
from pathlib import Path

import pytest

from tests.support.service import start_process

_DESCRIBE = """
import os, signal
from pathlib import Path
print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(Path.home(), os.environ["RAY_TMPDIR"], sep="\\n")
"""


@pytest.fixture
def described(tmp_path: Path) -> list[str]:
    """Start a program from a background job of a shell, and let it describe its surroundings."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as such a job has it
    try:
        with start_process(tmp_path, [sys.executable, "-c", _DESCRIBE], 0, {}) as service:
            service.process.wait(timeout=30)
            return service.output.read_text().splitlines()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_started_program_ends_by_sigint(described: list[str]) -> None:
    """Even where SIGINT is ignored, which a child inherits."""
    assert described[0] == "True"


def test_a_started_program_writes_into_folders_of_its_own(
    described: list[str], tmp_path: Path
) -> None:
    """Not into the user's home, and those of Ray are deleted."""
    assert Path(described[1]) == tmp_path
    assert not Path(described[2]).exists()
