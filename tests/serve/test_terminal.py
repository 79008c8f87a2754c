"""`vitrine serve` in a terminal: its status line, profiles of it, and Ctrl-C."""

import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.ports import find_port
from tests.support.service import Service, make_environment, run_cli, start_process
from tests.support.terminal import draw_screen
from tests.support.uploads import encode_grey

STATUS = re.compile(
    r"(\d+) requests/s \| p50 (\d+ ms|-) \| p99 (\d+ ms|-) \| ([\d.]+ images/batch|no batches)"
    r" \| \d+ of \d+ in flight \| [\d.]+ errors/s"
)
REPORT_S = 15
"""Seconds until figures must be there: some collections."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service in a terminal whose metrics nobody may read; the last test stops it."""
    port, relay = find_port(), [sys.executable, "-m", "tests.support.terminal"]
    command = [*relay, sys.executable, "-m", "app.cli.main", "serve"]
    environment = make_environment(port=str(port), metrics="off") | {"TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    with start_process(tmp_path_factory.mktemp("shown"), command, port, environment) as running:
        running.wait_until_ready()
        yield running


def draw(service: Service) -> list[str]:
    """Draw the lines that its terminal has shown."""
    written = service.log.read_bytes().decode()
    return [line for line in draw_screen(written) if line]


@contextmanager
def send_images(service: Service) -> Iterator[None]:
    """Send one image after another meanwhile, so large that a process is asked to read it."""
    image, stop = encode_grey(128, (1000, 1000), "JPEG"), threading.Event()

    def send() -> None:
        with httpx.Client(base_url=service.url, timeout=30) as client:
            while not stop.is_set():
                assert client.post("/predict", files={"file": image}).status_code == 200

    with ThreadPoolExecutor(2) as clients:
        sending = [clients.submit(send) for _ in range(2)]
        try:
            yield
        finally:
            stop.set()
    for one in sending:
        one.result()


def test_the_status_is_below_the_log(shown: Service) -> None:
    """It has the figures of the last seconds, once, and each request's line is whole above it."""
    deadline = time.monotonic() + REPORT_S
    with send_images(shown):
        while not (found := STATUS.fullmatch(draw(shown)[-1])) or int(found[1]) < 1:
            assert time.monotonic() < deadline, draw(shown)[-5:]
            time.sleep(0.1)
    lines = draw(shown)
    assert [line for line in lines if STATUS.search(line)] == lines[-1:]
    requests = [line for line in lines if "POST /predict" in line]
    assert requests
    assert all(re.fullmatch(r"[\d:]{8} INFO  POST /predict 200 .*", line) for line in requests)


def test_sigusr2_profiles_the_service(shown: Service) -> None:
    """Into a folder that the log names, one flame graph for each process."""
    with send_images(shown):
        shown.process.send_signal(signal.SIGUSR2)
        log = shown.wait_for_log("profiled into", timeout_s=60)
    folder = Path(re.findall(r"profiled into (\S+)", log)[0])
    files = [*folder.glob("*.svg")]
    assert {file.stem.split("-")[0] for file in files} == {"classifier", "ingress", "reading"}
    assert all("</svg>" in file.read_text() for file in files)
    shutil.rmtree(folder)


def test_vitrine_profile_writes_and_lists_flame_graphs(shown: Service, tmp_path: Path) -> None:
    """Of the service that is chosen, as others may run beside it."""
    options = ["--seconds", "1", "--out", str(tmp_path / "made"), "--pid", str(shown.process.pid)]
    with send_images(shown):
        done = run_cli("profile", *options)
    assert done.returncode == 0, done.stderr + done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert {row[0] for row in rows} == {"classifier", "ingress", "reading"}
    written = {str(file) for file in (tmp_path / "made").iterdir()}
    assert written == {row[2] for row in rows if row[2] != "no"}
    assert len(written) > 1


def test_ctrl_c_leaves_a_clean_terminal(shown: Service) -> None:
    """The status is gone, what is left are whole lines of the log, and the cursor is there."""
    shown.process.send_signal(signal.SIGWINCH)
    shown.assert_stops(signal.SIGINT)
    lines = draw(shown)
    assert [line for line in lines if "requests/s" in line] == []
    assert lines[-1].endswith("INFO  stopped")
