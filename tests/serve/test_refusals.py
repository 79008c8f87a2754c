"""What HAProxy refuses in place of a service at capacity is in the service's log, and counted."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from app.deployments.haproxy_log import INTERVAL_S
from tests.support.service import ANN, Service
from tests.support.uploads import encode_grey

CLIENTS = 16
FLOOD_S = 3.0

MAX_LOST = 0.05
"""Of the lines that HAProxy may give up because its threads write at once; metrics are exact."""

FORGED = "/predict/raw/%0A%7B%22status%22%3A200%7D%0A"
"""A path that would end a line and begin another, which tells of a good answer."""


def flood(service: Service) -> list[httpx.Response]:
    """Send large images for a while; gives what HAProxy, and no replica, has answered."""
    image, until = encode_grey(128, (5000, 4000), "JPEG"), time.monotonic() + FLOOD_S
    headers = {"X-API-Key": ANN, "Content-Type": "image/jpeg"}

    def ask(path: str) -> list[httpx.Response]:
        refused = []
        with httpx.Client(base_url=service.url, headers=headers, timeout=60) as client:
            while time.monotonic() < until:
                answer = client.post(f"{path}?top_k=1", content=image)
                if answer.status_code == 503 and answer.json()["instance"] == "proxy":
                    refused.append(answer)
        return refused

    with ThreadPoolExecutor(CLIENTS) as clients:
        found = clients.map(ask, ["/predict/raw", FORGED] * (CLIENTS // 2))
        return [answer for answers in found for answer in answers]


def list_refusals(log: str) -> list[dict[str, object]]:
    """List the lines of what HAProxy refused at capacity."""
    lines = [json.loads(line) for line in log.splitlines()]
    return [line for line in lines if "count" in line and line["problem"] == "overloaded"]


def test_refusals_of_haproxy_are_logged(closed: Service) -> None:
    """One line a second has how many there were, and one of them as an access line has it."""
    before = len(list_refusals(closed.read_log()))
    refused = flood(closed)
    time.sleep(INTERVAL_S + 0.5)
    log = closed.read_log()
    lines = list_refusals(log)[before:]
    assert refused
    count = sum(int(str(line["count"])) for line in lines)
    assert (1 - MAX_LOST) * len(refused) <= count <= len(refused)
    assert 1 <= len(lines) <= FLOOD_S / INTERVAL_S + 2
    for line in lines:
        assert (line["logger"], line["method"], line["status"]) == ("vitrine.access", "POST", 503)
        assert line["path"] in {"/predict/raw", FORGED}
    assert "top_k" not in log
