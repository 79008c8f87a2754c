"""What a stop ends beside its children."""

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from app.standalone.shutdown import end_processes, list_children, list_strays
from tests.support.service import ROOT

_SPAWN = """
import subprocess, sys
subprocess.Popen(sys.argv[1:], start_new_session=True)
"""


def _orphan(program: Path, folder: Path) -> None:
    """Start a process that waits, with a file of the folder on its command line, as nobody's."""
    folder.mkdir(exist_ok=True)
    config = folder / "haproxy.cfg"
    config.touch()
    subprocess.run([sys.executable, "-c", _SPAWN, program, "-f", config], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no HAProxy elsewhere")
def test_an_haproxy_that_is_nobodys_child_is_found_by_its_folder(tmp_path: Path) -> None:
    """As the next one when it reloads in a stop; others, and a person's `tail`, are left alone."""
    tail = Path(shutil.which("tail") or "tail")
    haproxy = tmp_path / "haproxy"
    haproxy.symlink_to(tail)  # it waits, and is called so
    mine, other = tmp_path / "mine", tmp_path / "mine2"
    for program, folder in ((haproxy, mine), (tail, mine), (haproxy, other)):
        _orphan(program, folder)
    waiting = [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in _join(one)]
    try:
        (stray,) = list_strays(mine)
        assert stray not in list_children()
        end_processes([stray])
        assert list_strays(mine) == []
        assert [one.is_running() for one in waiting if one != stray] == [True, True]
    finally:
        end_processes(waiting)


_END = """
import logging, sys
from pathlib import Path
from app.standalone.shutdown import end_now
logging.getLogger("vitrine").setLevel(sys.argv[2])
end_now(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_an_end_that_is_overdue_keeps_the_folder_for_debugging_alone(
    level: str, tmp_path: Path
) -> None:
    """VITRINE_LOG_LEVEL=debug promises Ray's log files, however the service ends."""
    folder = tmp_path / "run"
    folder.mkdir()
    command = [sys.executable, "-c", _END, str(folder), level]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert folder.exists() == (level == "DEBUG")


def _join(process: psutil.Process) -> str:
    return " ".join(process.info["cmdline"] or ())
