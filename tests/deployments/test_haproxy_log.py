"""The process that reads what HAProxy refuses: what it logs, how often, and when it ends."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.deployments.haproxy_log import follow, list_log_variables, start_reader
from tests.support.log_lines import collect_lines
from tests.support.service import ROOT

LINE = b"http-vitrine 503 LR POST /predict\n"

PROGRAM = """
import os, sys
from app.deployments.haproxy_log import start_reader
descriptor = start_reader()
os.write(descriptor, b"http-vitrine 503 LR POST /predict\\n" * 3)
os.execvp("sleep", ["sleep", "0.2"])
"""
"""Refuses three requests and becomes another program, as `vitrine-haproxy` does."""

MANAGER = """
import subprocess, sys, time
subprocess.run([sys.executable, "-c", sys.argv[1]], stderr=open(sys.argv[2], "wb"), check=True)
time.sleep(1)
"""
"""Starts it with standard error in a file, as Serve does, and goes on."""


def test_a_flood_is_one_line_a_second_and_nothing_is_lost() -> None:
    """Lines that come in pieces are counted too; the last ones are logged when writers end."""
    reading, writing = os.pipe()

    def write() -> None:
        until = time.monotonic() + 2.2
        while time.monotonic() < until:
            os.write(writing, LINE * 100 + LINE[:10])
            os.write(writing, LINE[10:])
            sent.append(101)
        os.close(writing)

    sent: list[int] = []
    with collect_lines() as lines:
        thread = threading.Thread(target=write)
        thread.start()
        follow(reading)
        thread.join()
    os.close(reading)
    counts = [line["count"] for line in lines]
    assert len(counts) == 3
    assert sum(map(int, map(str, counts))) == sum(sent)


@pytest.mark.parametrize("is_alone", [True, False])
def test_lines_go_where_the_replicas_lines_go(tmp_path: Path, *, is_alone: bool) -> None:
    """To the pipe of `vitrine serve`, or the standard error of the process that started it."""
    own, parent, pipe = tmp_path / "own", tmp_path / "parent", tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDWR)
    variables = list_log_variables(pipe, "json", "info") if is_alone else {}
    with parent.open("wb") as stderr:
        command = [sys.executable, "-c", MANAGER, PROGRAM, str(own)]
        subprocess.run(command, stderr=stderr, env=os.environ | variables, cwd=ROOT, check=True)
    written = os.read(reading, 1000) if is_alone else parent.read_bytes()
    os.close(reading)
    (line,) = written.splitlines()
    assert json.loads(line)["count"] == 3
    assert own.read_text() == ""


def test_no_process_is_started_where_no_access_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """VITRINE_LOG_LEVEL says so, as it does for the replicas."""
    monkeypatch.setenv("VITRINE_LOG_LEVEL", "warning")
    assert start_reader() is None
