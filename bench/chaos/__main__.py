"""Run ``python -m bench.chaos [--only WORDS]``: every scenario on a service of its own.

Loopback only, bounded in time and requests. Prints a table; the last line of stdout is one JSON
document, which is also kept in bench/results.
"""

import argparse
import sys
import time
from datetime import UTC, datetime

from bench.chaos.rows import Row
from bench.chaos.scenarios import PEER, list_scenarios
from bench.kit.machine import describe_machine
from bench.kit.results import save
from bench.kit.servers import BenchError


def run() -> int:
    """Run the scenarios and tell what was seen; 1 where a promise of Vitrine's was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--only", default="", help="words of the scenarios to run")
    only = parser.parse_args().only
    scenarios = {name: act for name, act in list_scenarios().items() if only in name}
    if not scenarios:
        parser.error(f"no scenario has {only!r} in its name: {', '.join(list_scenarios())}")
    started = datetime.now(UTC).isoformat(timespec="seconds")
    rows: dict[str, Row] = {}
    for name, scenario in scenarios.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        begun = time.monotonic()
        try:
            row = scenario()
        except BenchError as exc:
            row = {"target": "it runs", "error": str(exc), "reached": False}
        rows[name] = {**row, "took_s": round(time.monotonic() - begun, 1)}
        print_row(name, rows[name])
    document = {
        "benchmark": "chaos",
        "started": started,
        "machine": describe_machine(),
        "scenarios": rows,
    }
    save(document, "chaos-part" if only else "chaos")
    return int(any(row["reached"] is False for name, row in rows.items() if PEER not in name))


def print_row(name: str, row: Row) -> None:
    """Print one scenario as a row of a Markdown table."""
    seen = {key: value for key, value in row.items() if key not in {"target", "reached", "took_s"}}
    facts = ", ".join(f"{key} {value}" for key, value in seen.items() if key != "answers")
    reached = {True: "yes", False: "no", None: "-"}[row["reached"]]
    print(f"| {name} | {row['target']} | {facts} | {reached} |", flush=True)


if __name__ == "__main__":
    sys.exit(run())
