"""What ends or changes while the service works: a replica, the weights, the service itself."""

import asyncio
import json
import math
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TypeVar

from app.client.generator import count_until, run_closed
from app.client.pool import CUT_OFF, Pool
from bench.chaos.floods import PICTURE, Row, run_busy
from bench.kit.client import make_target
from bench.kit.generator import stay_busy
from bench.kit.images import Picture
from bench.kit.models import BUNDLED
from bench.kit.servers import ask, find_replicas, make_vitrine, run_server, stop
from tests.support.service import SEVEN

STOP_LIMIT_S = 30.0
LEAD_S = 3.0
"""Seconds of load before something happens."""

PROMISES: dict[int, tuple[str, set[str], float]] = {
    1: ("an outage of <= 30 s; only 503 and 504 meanwhile", {"503", "504"}, 30.0),
    2: ("0 failed, and replaced", set(), math.inf),
}
"""Of so many replicas: what is promised when one is killed, statuses allowed, longest outage."""

L = TypeVar("L")
T = TypeVar("T")


def act_under_load(load: Coroutine[None, None, L], act: Callable[[], Awaitable[T]]) -> tuple[L, T]:
    """Put a load on a server, and do something a moment after it has begun."""

    async def run() -> tuple[L, T]:
        loading = asyncio.create_task(load)
        await asyncio.sleep(LEAD_S)
        done = await act()
        return await loading, done

    return asyncio.run(run())


def kill_replica(deployment: str, seconds: float, picture: Picture = PICTURE, of: int = 2) -> Row:
    """Kill one of two replicas under load, or the only one: what clients are answered."""
    settings = {"VITRINE_INGRESS_REPLICAS": str(of), "VITRINE_CLASSIFIER_REPLICAS": str(of)}
    with run_server(make_vitrine(BUNDLED, settings), PICTURE) as running:

        async def kill() -> set[int]:
            found = find_replicas(running.service, deployment)
            os.kill(min(found), signal.SIGKILL)
            return found

        load = stay_busy(running.server.url, picture, 8 * of, seconds)
        tally, before = act_under_load(load, kill)
        after = find_replicas(running.service, deployment)
        is_back = not run_busy(running.server.url, PICTURE, 4, 2).failed
    is_replaced = len(after) == len(before) and min(before) not in after
    target, allowed, limit_s = PROMISES[of]
    is_kept = set(tally.failed) <= allowed and tally.outage_s <= limit_s and tally.good > 0
    return {
        "target": target,
        "outage_s": round(tally.outage_s, 1),
        "served": tally.good,
        "failed": tally.failed,
        "longest_ms": tally.find_ms(100),
        "replaced": is_replaced,
        "reached": is_kept and is_replaced and is_back,
    }


def reload_under_load(seconds: float) -> Row:
    """Replace the weights by others with other labels: every label belongs to its weights."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(shutil.copytree(BUNDLED, Path(parent) / "model"))
        with run_server(make_vitrine(folder), PICTURE) as running:
            url, old = running.server.url, read_revision(running.server.url)

            async def reload() -> float:
                rename_labels(folder / "config.json")
                running.service.process.send_signal(signal.SIGUSR1)
                begun = time.monotonic()
                while await asyncio.to_thread(read_revision, url) == old:
                    if time.monotonic() - begun > seconds:
                        break
                    await asyncio.sleep(0.5)
                return time.monotonic() - begun

            answers, took_s = act_under_load(collect_labels(url, seconds), reload)
            new = read_revision(url)
    by_old, by_new, failed = f"{old}: 7", f"{new}: new 7", answers["failed"]
    return {
        "target": "0 failed, 0 mislabelled",
        "seconds_to_new": round(took_s, 1),
        "by_old_weights": answers[by_old],
        "by_new_weights": answers[by_new],
        "failed": failed,
        "mislabelled": answers.total() - answers[by_old] - answers[by_new] - failed,
        "reached": old != new and set(+answers) == {by_old, by_new},
    }


def read_revision(url: str) -> str:
    """Return which weights are served."""
    return str(json.loads(ask(f"{url}/health") or b"{}").get("model", {}).get("revision"))


def rename_labels(config: Path) -> None:
    """Give every label another name, and so the checkpoint another revision."""
    facts = json.loads(config.read_text())
    facts["id2label"] = {key: f"new {name}" for key, name in facts["id2label"].items()}
    config.write_text(json.dumps(facts))


async def collect_labels(url: str, seconds: float) -> Counter[str]:
    """Send a seven again and again; count the revision and the label of each answer."""
    target = make_target(url, Picture("seven", SEVEN.read_bytes(), "image/png"))
    pool, answers = Pool(target.address, 4), Counter[str]()

    async def send(_: int) -> None:
        try:
            body = json.loads((await pool.send(target.request)).body)
            name = f"{body['model']['revision']}: {body['predictions'][0]['label']}"
        except (OSError, ValueError, KeyError):  # no answer, or an error's
            name = "failed"
        answers[name] += 1

    await run_closed(send, 4, count_until(seconds))
    pool.close()
    return answers


def stop_under_load(proxy: str) -> Row:
    """Stop the service while it works: what is in flight is answered."""
    with run_server(make_vitrine(BUNDLED, {"VITRINE_PROXY": proxy}), PICTURE) as running:
        load = stay_busy(running.server.url, PICTURE, 16, 6)
        tally, (took_s, left) = act_under_load(load, lambda: asyncio.to_thread(stop, running))
    is_kept = took_s <= STOP_LIMIT_S and not left
    is_promised = proxy == "haproxy"
    others = set(tally.failed) - {"no connection"}
    promise = "in-flight answered; the whole stop <= 30 s; no process left"
    return {
        "target": promise if is_promised else "nothing is promised of it",
        "served": tally.good,
        "cut_off": tally.statuses[CUT_OFF],
        "refused": tally.failed.get("no connection", 0),
        "stop_s": round(took_s, 1),
        "left": left,
        "reached": is_kept and not others if is_promised else None,
    }
