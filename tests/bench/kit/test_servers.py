"""Servers of a benchmark are ended with everything that came of them."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.kit.images import make_picture
from bench.kit.servers import Server, read_cpu_s, run_server
from tests.support.ports import find_port

ORPHANS = Path(__file__).with_name("orphans.py")


def make_orphans() -> Server:
    """Make the server that leaves two processes behind."""
    port = find_port()
    command = (sys.executable, str(ORPHANS), str(port))
    return Server("orphans", command, port, stop_limit_s=0.3)


def test_nothing_of_a_server_is_left() -> None:
    """Orphans are counted and ended, also in a session or an environment of their own."""
    with run_server(make_orphans(), make_picture("png")) as running:
        processes = running.service.list_processes()
        assert len(processes) == 3
    assert running.left == 2
    assert psutil.wait_procs(processes, timeout=2)[1] == []


def test_cpu_time_is_that_of_all_processes() -> None:
    """A busy process that left the session counts with the rest; the benchmark does not."""
    with run_server(make_orphans(), make_picture("png")) as running:
        before, mine = read_cpu_s(running.service), time.process_time()
        each = [sum(one.cpu_times()[:2]) for one in running.service.list_processes()]
        while time.process_time() < mine + 0.3:
            pass
        after = read_cpu_s(running.service)
    assert sum(each) == pytest.approx(before, abs=0.05)
    assert 0.05 < after - before < 0.7
