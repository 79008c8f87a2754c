"""Run ``python -m bench.studies.metrics``: whether /metrics is exact, and what it costs.

One service of two ingress and two classifier replicas. 100,000 mixed requests, counted by their
clients and by /metrics; then more of them while one replica of each kind is killed; then what a
scrape takes at full load. With ``--before COMMIT`` the requests/s of that commit and of this tree,
in alternating rounds. The last line of stdout is one JSON object, kept in bench/results.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING

import httpx
import numpy as np
import psutil

from app.client.connection import Address
from app.client.generator import run_closed
from app.client.pool import Pool
from app.observability.request_metrics import PROBES
from bench.kit.images import make_picture
from bench.kit.models import BUNDLED
from bench.kit.results import BenchError, Record, save, start_record
from bench.kit.servers import Running, find_replicas, make_vitrine, run_server
from bench.kit.tools import check_tool, run_wrk
from bench.soak.load import send_alone
from bench.soak.requests import Kind, Manner, Request, make_request
from bench.studies.scraping import SCRAPE_EVERY_S, Counts, Watch, add_up, read_requests
from bench.studies.trees import compare_trees
from tests.support.scrapes import scrape

if TYPE_CHECKING:
    from app.client.connection import Answer

REQUESTS, CLIENTS, CONNECTIONS, ROUNDS = 100_000, 32, 64, 5
REPLICAS = {"VITRINE_INGRESS_REPLICAS": "2", "VITRINE_CLASSIFIER_REPLICAS": "2"}


def is_answered(kind: Kind) -> bool:
    """Tell whether a kind of request is always answered, and by the service."""
    return bool(kind.allowed) and kind.name != "hardly HTTP"


def find_route(request: Request) -> str:
    """Find the route that a request is counted by; empty for a probe."""
    path = request.head.split()[1].decode().partition("?")[0]
    route = "other" if path == "/nothing-here" else path
    return "" if route in PROBES else route


def list_requests(count: int) -> Iterator[int]:
    """List the numbers of so many requests that are answered."""
    number = 0
    while count:
        if is_answered(make_request(number).kind):
            count -= 1
            yield number
        number += 1


async def send_all(port: int, count: int) -> tuple[Counts, int]:
    """Send so many mixed requests; returns what clients counted, and how many had no answer."""
    counts, lost, pool = Counts(), 0, Pool(Address(port), CLIENTS, resends=True)

    async def send(number: int) -> None:
        nonlocal lost
        request = make_request(number)
        answer: Answer | None
        try:
            if request.manner is Manner.KEEPS:
                answer = await pool.send(request.head + request.body)
            else:
                answer = await send_alone(port, request)
        except OSError:
            answer = None
        if answer is None:
            lost += 1
        elif route := find_route(request):
            counts[route, str(answer.status)] += 1

    await run_closed(send, CLIENTS, list_requests(count))
    pool.close()
    return counts, lost


def compare_counts(url: str, port: int, count: int) -> Record:
    """Count on both sides."""
    before = scrape(url)
    told, lost = asyncio.run(send_all(port, count))
    after = scrape(url)
    counted = add_up(read_requests(after)) - add_up(read_requests(before))
    wrong = {" ".join(key): [told[key], counted[key]] for key in told | counted}
    wrong = {key: pair for key, pair in wrong.items() if pair[0] != pair[1]}
    return {"requests": count, "counted": told.total(), "lost": lost, "differences": wrong}


def kill_replicas(running: Running, count: int) -> Record:
    """Kill one replica of each kind under load: what was counted, and what went with it."""
    url, port = running.server.url, running.server.port
    before = read_requests(scrape(url))
    with Watch(url) as watch:

        def kill() -> None:
            for deployment in ("Ingress", "Classifier"):
                time.sleep(3)
                psutil.Process(min(find_replicas(running.service, deployment))).kill()

        killer = Thread(target=kill)
        killer.start()
        told, lost = asyncio.run(send_all(port, count))
        killer.join()
    watch.look()
    now = read_requests(scrape(url))

    def count_up(seen: dict[str, Counts]) -> int:
        return sum((seen[name] - before.get(name, Counts())).total() for name in seen)

    return {
        "counted": told.total(),
        "lost": lost,
        "fell": watch.fell,
        "replicas_gone": len(watch.last.keys() - now.keys()),
        "counted_by_those_that_run": count_up(now),
        "with_the_last_of_those_gone": count_up(watch.last),
    }


def time_scrapes(url: str, seconds: int) -> Record:
    """Time scrapes at full load, and a page that no other process is asked for, in turns."""
    took: dict[str, list[float]] = {"/metrics": [], "/livez": []}
    with ThreadPoolExecutor(1) as threads, httpx.Client(base_url=url, timeout=30) as client:
        load = threads.submit(run_wrk, url, make_picture("png"), CONNECTIONS, seconds)
        while not load.done():
            for path, times in took.items():
                time.sleep(SCRAPE_EVERY_S / 2)
                started = time.perf_counter()
                client.get(path).raise_for_status()
                times.append(1e3 * (time.perf_counter() - started))
    found: Record = {"requests_per_s": load.result()["requests_per_s"]}
    for path, times in took.items():
        ranks = {"p50": 50, "p90": 90, "most": 100}
        found[f"{path} ms"] = {
            name: round(float(np.percentile(times, rank)), 1) for name, rank in ranks.items()
        }
    return found


def main() -> int:
    """Measure, and return the exit status: 1 where a count is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.metrics", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="how many are counted")
    parser.add_argument("--before", help="a commit to compare with")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    options = parser.parse_args()
    record = start_record("metrics") | vars(options)
    try:
        check_tool("wrk")
        with run_server(make_vitrine(BUNDLED, REPLICAS), make_picture("png")) as running:
            url, port = running.server.url, running.server.port
            record["exact"] = compare_counts(url, port, options.requests)
            record["scrapes"] = time_scrapes(url, 6 * options.seconds)
            record["killed"] = kill_replicas(running, max(1000, options.requests // 10))
        if options.before:
            record["cost"] = compare_trees(options.before, options.rounds, options.seconds)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    for part in ("exact", "scrapes", "killed", "cost"):
        print(f"{part}: {record.get(part, 'not asked for')}")
    save(record, "metrics" if options.requests >= REQUESTS else "metrics-part")
    return 1 if record["exact"]["differences"] or record["killed"]["fell"] else 0


if __name__ == "__main__":
    sys.exit(main())
