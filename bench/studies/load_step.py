"""Run ``python -m bench.studies.load_step``: eight times the load, and back, with autoscaling.

A head node serves simulated GPUs (tests/support/simulated_app.py) through HAProxy. An open loop
sends images; beside it the replicas that run are read once a second.
Draws docs/load-step.png; the last line of stdout is one JSON object.
"""

import asyncio
import contextlib
import sys
import time
from collections import Counter

import httpx
import numpy as np
from matplotlib.axes import Axes

from app.client.connection import Address
from app.client.generator import draw_schedule, run_open
from app.client.pool import CUT_OFF, NO_CONNECTION, UNANSWERED, Pool
from bench.kit.client import make_target
from bench.kit.images import make_picture
from bench.kit.plots import COLOURS, draw_panels
from bench.kit.results import DOCS, Record, save, start_record
from bench.kit.servers import ask, wait_until
from tests.support.head_node import Head, start_head
from tests.support.ports import find_port
from tests.support.replicas import read_deployments
from tests.support.simulated_app import RATE

STEPS = ((12.0, 30.0), (96.0, 60.0), (12.0, 60.0))
"""Images/s, and for how many seconds: a load, eight times as much, the load again."""

MAX_REPLICAS = 12
SCALE_DOWN_S = 20.0
WINDOW_S = 3.0
CONNECTIONS = 1000

Answer = tuple[float, float, int]
"""When an image was due, in seconds from the start; the seconds until its answer; the status."""


async def play(head: Head, port: int) -> tuple[list[Answer], list[Record]]:
    """Play the steps; return the answers, and the replicas by second."""
    target = make_target(f"http://127.0.0.1:{port}", make_picture("png"))
    pool = Pool(Address(port), CONNECTIONS)
    answers: list[Answer] = []
    seen: list[Record] = []
    token = head.environment["RAY_AUTH_TOKEN"]
    due, begun = list(_list_due()), time.perf_counter()

    async def send(at: float) -> None:
        status = await pool.ask(target.request)
        answers.append((at - begun, time.perf_counter() - at, status))

    async def watch() -> None:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                second = round(time.perf_counter() - begun, 1)
                told = await asyncio.to_thread(read_deployments, head.dashboard, token)
                running = {
                    name: sum(replica["state"] == "RUNNING" for replica in one["replicas"])
                    for name, one in told.items()
                }
                wanted = told["Classifier"]["target_num_replicas"]
                seen.append({"second": second, "wanted": wanted} | running)
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    await run_open(send, due, patience_s=60)
    watching.cancel()
    pool.close()
    return answers, seen


def _list_due() -> list[float]:
    """List when images are due, in seconds from the start."""
    due: list[float] = []
    start = 0.0
    for number, (rate, seconds) in enumerate(STEPS):
        due += [start + at for at in draw_schedule(rate, seconds, seed=number)]
        start += seconds
    return due


def summarize(answers: list[Answer], seen: list[Record]) -> Record:
    """Summarize: what failed, p99 at rest, and when it was below twice that for three windows."""
    step_s = STEPS[0][1]
    rest_ms = find_p99(answers, step_s / 2, step_s)
    windows = [
        (start, find_p99(answers, start, start + WINDOW_S))
        for start in np.arange(0.0, sum(seconds for _, seconds in STEPS), WINDOW_S)
    ]
    in_rows = zip(windows, windows[1:], windows[2:], strict=False)
    back = [
        row[0][0]
        for row in in_rows
        if row[0][0] >= step_s and all(p99 < 2 * rest_ms for _, p99 in row)
    ]
    rested = [one["Classifier"] for one in seen if one["second"] <= step_s][-1]
    after = [one for one in seen if one["second"] > step_s]
    ups = [one["second"] for one in after if one["Classifier"] > rested]
    decided = [one["second"] for one in after if one["wanted"] > rested]
    statuses = Counter(status for _, _, status in answers)
    return {
        "images": len(answers),
        "statuses": {str(status): count for status, count in statuses.items()},
        "rest_p99_ms": rest_ms,
        "p99_back_after_s": round(min(back, default=np.nan) - step_s, 1),
        "longest_s": round(max(seconds for _, seconds, _ in answers), 1),
        "failed": [one for one in answers if one[2] in (NO_CONNECTION, CUT_OFF, UNANSWERED)],
        "more_wanted_after_s": round(min(decided, default=np.nan) - step_s, 1),
        "first_new_replica_after_s": round(min(ups, default=np.nan) - step_s, 1),
        "most_replicas": max(one["Classifier"] for one in seen),
        "last_replicas": seen[-1]["Classifier"],
        "p99_ms": [(round(float(start), 1), p99) for start, p99 in windows],
        "replicas": seen,
    }


def find_p99(answers: list[Answer], begin: float, end: float) -> float:
    """Find p99 in ms of the good answers to images that were due between two moments."""
    times = [seconds for due, seconds, status in answers if begin <= due < end and status == 200]  # noqa: PLR2004
    return round(1000 * float(np.quantile(times, 0.99)), 1) if times else float("nan")


def draw(record: Record) -> None:
    """Draw replicas and p99 over time."""

    def draw_p99(axes: Axes) -> None:
        axes.plot(*zip(*record["p99_ms"], strict=True), color=COLOURS[0])
        axes.set_title(f"p99 of {WINDOW_S:.0f} s, ms", size=9)
        axes.set_yscale("log")

    def draw_replicas(axes: Axes) -> None:
        names = ("wanted", "Classifier", "Ingress")
        for name, colour in zip(names, (COLOURS[3], *COLOURS[1:3]), strict=True):
            points = [(one["second"], one.get(name, 0)) for one in record["replicas"]]
            axes.step(*zip(*points, strict=True), color=colour, where="post", label=name)
        axes.set_title("replicas that run, and classifiers that are wanted", size=9)

    def draw_load(axes: Axes) -> None:
        edges, rates = [0.0], [rate for rate, _ in STEPS]
        for _, seconds in STEPS:
            edges.append(edges[-1] + seconds)
        axes.stairs(rates, edges, color=COLOURS[6])
        axes.set_title(f"images/s sent; one replica can do {RATE:.0f}", size=9)

    title = "Eight times the load, and back (simulated GPUs; seconds)"
    draw_panels(title, [draw_load, draw_replicas, draw_p99], 1, DOCS / "load-step.png", (7, 1.8))


def run() -> None:
    """Run it on a head node of its own."""
    record = start_record("load-step") | {"steps": STEPS, "rate_of_one": RATE}
    with start_head(cpus=16) as head:
        port = find_port()
        head.deploy_simulated(
            port,
            max_classifier_replicas=MAX_REPLICAS,
            max_ingress_replicas=2,
            scale_down_s=SCALE_DOWN_S,
        )
        picture = make_picture("png")
        wait_until(
            lambda: ask(f"http://127.0.0.1:{port}/predict", picture),
            head.service,
            "the application",
        )
        answers, seen = asyncio.run(play(head, port))
    record |= summarize(answers, seen)
    for name in [name for name in record if name not in ("p99_ms", "replicas")]:
        print(name, record[name], file=sys.stderr)
    draw(record)
    save(record, "load-step")


if __name__ == "__main__":
    run()
