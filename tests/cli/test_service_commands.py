"""`vitrine load` and `vitrine top`, run as a user runs them, where the service is a small one."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.main import main
from tests.client.top.pages import make_page
from tests.support.ports import find_port
from tests.support.raw_server import RawServer, always, make_answer, serve_raw
from tests.support.service import ROOT, SEVEN, default_sigint, start_process

GOOD = make_answer("200 OK", b'{"model": {"id": "x"}, "predictions": []}')
KEY = "ann-knows-this-key"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A server that answers every request alike, and a short warm-up."""
    monkeypatch.setattr("app.client.load.warm_up.WARM_UP_S", 0.1)
    with serve_raw(always(GOOD)) as running:
        yield running


def test_the_report_is_one_json_object(
    server: RawServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--json`; the key of the environment is sent and not told."""
    monkeypatch.setenv("VITRINE_API_KEY", KEY)
    command = ["load", server.url, str(SEVEN), "--rate", "20,40", "--duration", "0.3", "--json"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert [one["rate_per_s"] for one in report["rates"]] == [20, 40]
    assert report["best_per_s"] == 40
    assert report["rates"][0]["latency_ms"]["p99"] > 0
    assert KEY not in out + err
    assert f"\r\nX-API-Key: {KEY}\r\n".encode() in server.requests[-1]


def test_the_table_has_a_row_for_each_rate(
    server: RawServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says which rate the service bears; 1 where it bears none."""
    command = ["load", server.url, str(SEVEN), "--rate", "20,40", "--duration", "0.3"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if " x 200" in line] == ["20", "40"]
    assert "within 250 ms: 40/s." in " ".join(out.split())

    def reply(connection: socket.socket, _: bytes) -> None:
        time.sleep(0.02)
        connection.sendall(GOOD)

    server.reply = reply
    assert main([*command, "--target", "0.001"]) == 1
    assert "At no rate measured" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_plot_is_drawn(server: RawServer, tmp_path: Path, suffix: str) -> None:
    """Into a picture of the named format."""
    plot = tmp_path / f"load.{suffix}"
    command = ["load", server.url, str(SEVEN), "--rate", "20,40", "--duration", "0.3"]
    assert main([*command, "--plot", str(plot)]) == 0
    start = {"png": b"\x89PNG", "svg": b"<?xml"}[suffix]
    assert plot.read_bytes().startswith(start)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((str(SEVEN), "--plot", "x.gif"), "the name ends in .pdf, .png, .svg."),
        ((str(SEVEN), "--plot", "nowhere/x.png"), "there is no folder nowhere."),
        (("nowhere.png",), "nowhere.png cannot be read: No such file or directory."),
        ((str(SEVEN), "--key", "two words"), "The key has characters"),
        ((str(SEVEN), "--rate", "90000", "--duration", "60"), "Lower --rate or --duration."),
    ],
)
def test_what_cannot_be_measured_is_told_before(
    server: RawServer, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    """In one line of standard error, with exit code 2, and nothing is sent."""
    assert main(["load", server.url, *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert said in err
    assert not server.requests


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("load", "u", "i", "--rate", "0"), "argument --rate: 0 is not from 0.1 to 100000"),
        (("load", "u", "i", "--rate", "1,nan"), "argument --rate: nan is not from"),
        (("load", "u", "i", "--rate", "5,"), "argument --rate: '' is not a number"),
        (("load", "u", "i", "--rate", ",".join(["1"] * 21)), "argument --rate: more than 20"),
        (("load", "u", "i", "--duration", "1e9"), "argument --duration: 1e9 is not from"),
        (("load", "u", "i", "--connections", "0"), "argument --connections: 0 is not from 1 to"),
        (("load", "u"), "the following arguments are required: IMAGE"),
        (("top", "--interval", "0"), "argument --interval: 0 is not from 0.5 to 3600"),
    ],
)
def test_a_wrong_option_is_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    """In the last line of standard error, with exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("command", [("load", str(SEVEN)), ("top",)])
def test_a_service_that_is_not_there_is_told(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """In one line, with exit code 2."""
    name, *images = command
    assert main([name, f"http://127.0.0.1:{find_port()}", *images]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing listens there" in line


def test_ctrl_c_prints_what_was_measured(server: RawServer, tmp_path: Path) -> None:
    """Also while requests are in flight; the exit code is that of a signal."""

    def reply(connection: socket.socket, _: bytes) -> None:
        time.sleep(0.02)
        if len(server.requests) < 1000:  # then the warm-up is over, and some have been measured
            connection.sendall(GOOD)

    server.reply = reply
    options = ("--rate", "200", "--duration", "60", "--json")
    load = [sys.executable, "-m", "app.cli.main", "load", server.url, str(SEVEN), *options]
    with start_process(tmp_path, load, 0, dict(os.environ)) as running:
        deadline = time.monotonic() + 30
        while len(server.requests) < 1050:
            assert time.monotonic() < deadline, running.read_log()
            time.sleep(0.05)
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(timeout=10) == 130
        report = json.loads(running.output.read_text())
        assert running.read_log() == ""
    assert report["interrupted"]
    assert report["rates"][0]["sent"] > 10


def test_top_prints_one_table_without_a_terminal(
    server: RawServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """As with `--once`."""
    server.reply = always(make_answer("200 OK", make_page(("a", 5)), "text/plain"))
    assert main(["top", server.url, "--interval", "0.5"]) == 0
    assert "/predict" in capsys.readouterr().out


def test_top_waits_for_a_service_that_goes_away(server: RawServer) -> None:
    """It says so, goes on when the service is back, and ends by Ctrl-C with the last table."""
    good = always(make_answer("200 OK", make_page(("a", 5)), "text/plain"))
    server.reply = good
    near, far = pty.openpty()
    command = [sys.executable, "-m", "app.cli.main", "top", server.url, "--interval", "0.5"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "200", "LINES": "50"}
    with default_sigint():
        top = subprocess.Popen(
            command, stdin=far, stdout=far, stderr=far, cwd=ROOT, env=environment
        )
    try:
        os.close(far)
        read_until(near, b"/predict")
        server.reply = lambda to, _: to.close()
        read_until(near, b"trying again: ")
        server.reply = good
        read_until(near, b"in the last 0.")
        top.send_signal(signal.SIGINT)
        left = read_until(near, b"/predict")
        assert top.wait(timeout=10) == 0
    finally:
        top.kill()
        top.wait()
        os.close(near)
    assert b"Traceback" not in left


def read_until(terminal: int, text: bytes, timeout_s: float = 20) -> bytes:
    """Read what a terminal shows until a text comes."""
    found, ends = b"", time.monotonic() + timeout_s
    while text not in found:
        assert time.monotonic() < ends, found
        with contextlib.suppress(OSError):
            found += os.read(terminal, 65536)
    return found
