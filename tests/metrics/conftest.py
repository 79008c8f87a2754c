"""A real Prometheus that scrapes a real service under load.

`make metrics-test` runs what is here; `make test` leaves it out, because it needs Prometheus.
"""

import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.support.ports import find_port
from tests.support.scrapes import add_up, scrape
from tests.support.service import SEVEN, Service, start_service
from tests.support.uploads import encode_grey, make_upload
from tools.dashboards.prometheus import Prometheus, run_prometheus, write_config

HOUR_S = 3600
CLIENTS, LOAD_S = 24, 25


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that is full, with wrong requests, explanations and a reload among the others."""
    folder = tmp_path_factory.mktemp("busy")
    with start_service(folder, max_queue="4") as service:
        service.wait_until_ready()
        yield service
        service.assert_stops()


@pytest.fixture(scope="session")
def prometheus(busy: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped it for LOAD_S, every second, and knows the day before."""
    folder = tmp_path_factory.mktemp("prometheus")
    fill_past(folder)
    with (
        run_prometheus(folder, write_config(folder, busy.url, "1s"), find_port()) as prometheus,
        load(busy.url),
    ):
        time.sleep(LOAD_S / 2)
        busy.process.send_signal(signal.SIGUSR1)
        wait_for_reload(busy.url)
        time.sleep(LOAD_S / 2)
        yield prometheus


def fill_past(folder: Path) -> None:
    """Give Prometheus the shares of labels of the hours before, which the drift is told from."""
    now = int(time.time())
    lines = ["# TYPE vitrine:labels:rate1h gauge"]
    for at in range(now - 4 * HOUR_S, now - HOUR_S, 60):
        for label in ("7", 'a "label"\\n'):
            value = label.replace("\\", "\\\\").replace('"', '\\"')
            labels = f'job="vitrine",label_id="7",label="{value}"'
            lines.append(f"vitrine:labels:rate1h{{{labels}}} 0.5 {at}")
    page = folder / "past.txt"
    page.write_text("\n".join([*sorted(lines[1:]), "# EOF", ""]))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    command += [str(page), str(folder / "data")]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def load(url: str) -> Iterator[None]:
    """Send requests of every kind and outcome, more than the service takes."""
    photograph = encode_grey(128, (2000, 1500), "JPEG")  # a process reads it
    requests = [
        *[make_upload(SEVEN.read_bytes(), url=url) for _ in range(6)],
        make_upload(photograph, url=url),
        make_upload(b"text", url=url),
        make_upload(SEVEN.read_bytes()[:100], url=url),
        httpx.Request("GET", f"{url}/labels"),
        httpx.Request("GET", f"{url}/nothing"),
    ]
    explained = make_upload(SEVEN.read_bytes(), url=url)
    explained.url = httpx.URL(f"{url}/explain")
    for request in (*requests, explained):
        request.read()
    is_over = threading.Event()

    def run(number: int) -> None:
        chooser = random.Random(number)  # noqa: S311 - no secret
        with httpx.Client(timeout=60) as client:
            while not is_over.is_set():
                request = explained if number == 0 else chooser.choice(requests)
                with suppress(httpx.HTTPError):
                    client.send(request)

    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(run, number) for number in range(CLIENTS)]
        yield
        is_over.set()
    for one in running:
        one.result()


def wait_for_reload(url: str) -> None:
    """Wait until the metrics tell a reload."""
    deadline = time.monotonic() + 60
    while not add_up(scrape(url), "vitrine_reloads_total", outcome="loaded"):
        assert time.monotonic() < deadline
        time.sleep(0.5)
