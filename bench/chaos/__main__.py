"""Run ``python -m bench.chaos [--only WORDS]``: every scenario on a service of its own.

Loopback only, bounded in time and requests. Prints a table; the last line of stdout is one JSON
object, which is also kept in bench/results.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial

from bench.chaos import floods
from bench.chaos.faults import kill_replica, reload_under_load, stop_under_load
from bench.chaos.floods import PICTURE, Row
from bench.chaos.redeploy import redeploy_under_load
from bench.compare.peers import make_litserve
from bench.kit.images import make_picture
from bench.kit.models import find_checkpoint
from bench.kit.results import BenchError, save, start_record
from bench.kit.servers import Server, make_vitrine

PEER = "LitServe"
HIDDEN = {"target", "reached", "answers"}
"""What of a row is not among its printed facts."""

Scenario = Callable[[], Row]

FLOODS: dict[str, Callable[[Server], Row]] = {
    "10x overload": lambda server: floods.overload(server, PICTURE, 60),
    "1,000 clients disconnect in flight": lambda server: floods.leave_in_flight(server, 1000),
    "clients disconnect beside others that stay": lambda server: floods.leave_beside(server, 15),
    "bodies of 1 GB": lambda server: floods.send_huge_bodies(server, 1 << 30),
    "bad images": floods.send_bad_images,
}
MODELS = {"10x overload": "tiny"}
"""The clients, on the same cores, can send ten times too much to a model larger than the digits."""

FAULTS: dict[str, Scenario] = {
    "one of two classifiers killed": lambda: kill_replica("Classifier", 20),
    "one of two ingress replicas killed": lambda: kill_replica("Ingress", 20),
    "one of two ingress replicas killed, images of 12 megapixels": lambda: kill_replica(
        "Ingress", 20, make_picture("12mp")
    ),
    "the only classifier killed": lambda: kill_replica("Classifier", 40, of=1),
    "the only ingress killed": lambda: kill_replica("Ingress", 40, of=1),
    "rolling redeploy": lambda: redeploy_under_load(60),
    "reload of the weights": lambda: reload_under_load(45),
    "stop under load, HAProxy": lambda: stop_under_load("haproxy"),
    "stop under load, Python proxy": lambda: stop_under_load("python"),
}


def run_flood(name: str, *, is_peer: bool) -> Row:
    """Put a server through a flood; LitServe has a worker for each core if the model is small."""
    checkpoint = find_checkpoint(MODELS.get(name, "digits"))
    if is_peer:
        return FLOODS[name](make_litserve(checkpoint)[-1 if checkpoint.is_small else 0])
    return FLOODS[name](make_vitrine(checkpoint.folder))


def list_scenarios() -> dict[str, Scenario]:
    """List all scenarios by name; the floods on Vitrine and on LitServe."""
    scenarios: dict[str, Scenario] = {}
    for name in FLOODS:
        scenarios[name] = partial(run_flood, name, is_peer=False)
        scenarios[f"{name}, {PEER}"] = partial(run_flood, name, is_peer=True)
    return scenarios | FAULTS


def run() -> int:
    """Run the scenarios and print what was seen; 1 where a promise of Vitrine's was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--only", default="", help="words of the scenarios to run")
    only = parser.parse_args().only
    scenarios = {name: act for name, act in list_scenarios().items() if only in name}
    if not scenarios:
        parser.error(f"no scenario has {only!r} in its name: {', '.join(list_scenarios())}")
    rows: dict[str, Row] = {}
    record = start_record("chaos") | {"scenarios": rows}
    for name, scenario in scenarios.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        begun = time.monotonic()
        try:
            row = scenario()
        except BenchError as exc:
            row = {"target": "it runs", "error": str(exc), "reached": False}
        seen = {key: value for key, value in row.items() if key not in HIDDEN}
        facts = ", ".join(f"{key} {value}" for key, value in seen.items())
        reached = {True: "yes", False: "no", None: "-"}[row["reached"]]
        print(f"| {name} | {row['target']} | {facts} | {reached} |", flush=True)
        rows[name] = {**row, "took_s": round(time.monotonic() - begun, 1)}
    save(record, "chaos-part" if only else "chaos")
    return int(any(row["reached"] is False for name, row in rows.items() if PEER not in name))


if __name__ == "__main__":
    sys.exit(run())
