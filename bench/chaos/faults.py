"""What breaks or ends while the service works: a replica, the weights, the service itself."""

import asyncio
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from http import HTTPStatus
from pathlib import Path

from bench.chaos.rows import PICTURE, Row, name_vitrine
from bench.chaos.traffic import Tally, keep_busy
from bench.kit.connections import CUT_OFF
from bench.kit.images import Picture
from bench.kit.lifecycle import Running, run_server
from bench.kit.models import BUNDLED
from bench.kit.processes import find_alive, find_tree, read_title
from bench.kit.servers import ask, make_vitrine

STOP_LIMIT_S = 30.0
OUTAGE_LIMIT_S = 30.0
TYPED = {
    str(int(status)) for status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
}


def find_replicas(running: Running, name: str) -> set[int]:
    """Return the processes of a deployment's replicas."""
    tree = find_tree(running.pid)
    return {one.pid for one in tree if f"ServeReplica:vitrine:{name}" in read_title(one.pid)}


async def kill_under_load(
    running: Running, name: str, picture: Picture, clients: int, seconds: float
) -> tuple[Tally, bool]:
    """Kill a replica a moment after the load has begun; tell whether another took its place."""
    load = asyncio.create_task(keep_busy(running.server.url, picture, clients, seconds))
    await asyncio.sleep(3)
    before = find_replicas(running, name)
    os.kill(min(before), signal.SIGKILL)
    tally, after = await load, find_replicas(running, name)
    return tally, len(after) == len(before) and min(before) not in after


def kill_one_of_two(name: str, seconds: float, picture: Picture = PICTURE) -> Row:
    """Kill one of two replicas under load."""
    server = name_vitrine(ingress_replicas="2", classifier_replicas="2")
    with run_server(server, PICTURE) as running:
        tally, is_replaced = asyncio.run(kill_under_load(running, name, picture, 16, seconds))
    return {
        "target": "0 failed, and replaced",
        "served": tally.good,
        "failed": tally.failed,
        "longest_ms": tally.find_ms(HTTPStatus.OK, 100),
        "replaced": is_replaced,
        "reached": is_replaced and not tally.failed and tally.good > 0,
    }


def kill_the_only(name: str, seconds: float) -> Row:
    """Kill the only replica under load: how long, and what clients are told."""
    with run_server(name_vitrine(), PICTURE) as running:
        tally, is_replaced = asyncio.run(kill_under_load(running, name, PICTURE, 8, seconds))
        is_back = asyncio.run(keep_busy(running.server.url, PICTURE, 4, 2)).failed == {}
    return {
        "target": "an outage of <= 30 s; only 503 and 504 meanwhile",
        "outage_s": round(tally.outage_s, 1),
        "served": tally.good,
        "failed": tally.failed,
        "longest_ms": tally.find_ms(HTTPStatus.OK, 100),
        "replaced": is_replaced,
        "reached": is_back
        and is_replaced
        and tally.outage_s <= OUTAGE_LIMIT_S
        and set(tally.failed) <= TYPED,
    }


def reload_under_load(seconds: float) -> Row:
    """Replace the weights by others with other labels: every label belongs to its weights."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        shutil.copytree(BUNDLED, folder)
        with run_server(make_vitrine(folder), PICTURE) as running:
            url, answers, end = running.server.url, Counter[str](), time.monotonic() + seconds
            old = read_revision(url)
            clients = [threading.Thread(target=collect, args=(url, end, answers)) for _ in range(4)]
            for client in clients:
                client.start()
            time.sleep(2)
            rename_labels(folder / "config.json")
            os.kill(running.pid, signal.SIGUSR1)
            for client in clients:
                client.join()
            new = read_revision(url)
    right = {f"{old}: 7", f"{new}: new 7"}
    mislabelled = {seen for seen in answers if seen not in {*right, "failed"}}
    return {
        "target": "0 failed, 0 mislabelled",
        "by_old_weights": answers[f"{old}: 7"],
        "by_new_weights": answers[f"{new}: new 7"],
        "failed": answers["failed"],
        "mislabelled": sum(answers[seen] for seen in mislabelled),
        "reached": old != new and set(answers) == right,
    }


def rename_labels(config: Path) -> None:
    """Give every label another name, and so the checkpoint another revision."""
    facts = json.loads(config.read_text())
    facts["id2label"] = {key: f"new {name}" for key, name in facts["id2label"].items()}
    config.write_text(json.dumps(facts))


def collect(url: str, end: float, answers: Counter[str]) -> None:
    """Send the sample of a seven until the end; count revision and label of each answer."""
    seven = next(BUNDLED.parent.glob("samples/7-*.png"))
    picture = Picture("seven", seven.read_bytes(), "image/png")
    while time.monotonic() < end:
        body = ask(f"{url}/predict", picture)
        if body is None:
            answers["failed"] += 1
            continue
        answer = json.loads(body)
        answers[f"{answer['model']['revision']}: {answer['predictions'][0]['label']}"] += 1


def read_revision(url: str) -> str:
    """Return which weights are served."""
    with urllib.request.urlopen(f"{url}/health", timeout=30) as answer:
        return str(json.loads(answer.read())["model"]["revision"])


def stop_under_load(proxy: str) -> Row:
    """Ask the service to end while it works: what is in flight is answered."""
    with run_server(name_vitrine(proxy=proxy), PICTURE) as running:
        tree = find_tree(running.pid)

        async def stop_it() -> tuple[Tally, float]:
            load = asyncio.create_task(keep_busy(running.server.url, PICTURE, 16, 6))
            await asyncio.sleep(3)
            started = time.monotonic()
            os.kill(running.pid, signal.SIGTERM)
            while find_alive(tree) and time.monotonic() - started < STOP_LIMIT_S:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            return await load, time.monotonic() - started

        tally, took_s = asyncio.run(stop_it())
        left = len(find_alive(tree))
    kept = took_s <= STOP_LIMIT_S and not left
    cut_off, others = tally.statuses[CUT_OFF], set(tally.failed) - {"no connection"}
    return {
        "target": "in-flight answered; the whole stop <= 30 s; no process left"
        if proxy == "haproxy"
        else "nothing is promised of it",
        "served": tally.good,
        "cut_off": cut_off,
        "refused": tally.failed.get("no connection", 0),
        "stop_s": round(took_s, 1),
        "left": left,
        "reached": kept and not others if proxy == "haproxy" else None,
    }
