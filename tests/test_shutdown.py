"""What a stop ends beside its children."""

import subprocess
import sys
from pathlib import Path

import psutil

from app.shutdown import end_processes, list_children, list_strays


def test_a_process_that_is_nobodys_child_is_found_by_its_folder(tmp_path: Path) -> None:
    """As HAProxy's next process when it reloads in a stop; another service's is left alone."""
    mine, other = tmp_path / "mine", tmp_path / "mine2"
    sleep = "import time; time.sleep(60)"
    spawn = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', "
        f"{sleep!r}, *sys.argv[1:]], start_new_session=True)"
    )
    for folder in (mine, other):
        subprocess.run([sys.executable, "-c", spawn, "-f", f"{folder}/haproxy.cfg"], check=True)
    strays, others = list_strays(mine), list_strays(other)
    assert (len(strays), len(others)) == (1, 1)
    assert not {*strays, *others} & set(list_children())
    end_processes(strays)
    assert list_strays(mine) == []
    assert psutil.pid_exists(others[0].pid)
    end_processes(others)
