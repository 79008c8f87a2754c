"""Fuzz a service that runs: `make fuzz`, a few minutes.

Damaged images, bombs, slow uploads and requests that schemathesis makes from openapi.json go to a
`vitrine serve` of its own. The last line of standard output is one JSON object, kept in
bench/results.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import httpx

from bench.kit.results import describe_machine, save
from tests.fuzz.answers import Tally, read_documented
from tests.fuzz.contract import run_schemathesis
from tests.fuzz.images import Row, explode_all, send_mutants
from tests.fuzz.slow import measure_slow
from tests.support.processes import list_lasting, list_readers
from tests.support.service import Service, start_service

MUTANTS = 10_000
LONGEST_S = 300.0
PACKAGES = ("pillow", "python-multipart", "schemathesis", "hypothesis", "ray", "fastapi")
ENDED = "a process that reads images has ended"
"""What the service logs when an image ends the process that reads it."""

GROWTH_MB = 100
RATIO = 2.0


def main() -> int:
    """Fuzz, print what was found, and tell by the exit code whether all was well."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=MUTANTS, help="damaged images to send")
    parser.add_argument("--first", type=int, default=0, help="number of the first of them")
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.mutants)
    with tempfile.TemporaryDirectory() as folder, start_service(Path(folder)) as service:
        service.wait_until_ready()
        found = fuzz(service, numbers)
        service.assert_stops()
    save(found, "fuzz")
    return 1 if found["failures"] else 0


def fuzz(service: Service, numbers: range) -> Row:
    """Send everything to a service; gives what was found."""
    started = time.monotonic()
    lasting, readers = list_lasting(service), list_readers(service)
    paths = httpx.get(f"{service.url}/openapi.json").json()
    tally = Tally(read_documented(paths, "/predict", "post"))
    found: Row = {"machine": describe_machine(PACKAGES)}
    found["mutants"] = send_all(service, tally, numbers)
    exploded = Tally(tally.documented)
    found["bombs"] = print_bombs(list(explode_all(service, exploded)))
    found["slow_uploads"] = asyncio.run(measure_slow(service.port))
    print("\nslow uploads:", found["slow_uploads"])
    found["schemathesis"] = run_schemathesis(service.url)
    print("\nschemathesis:", found["schemathesis"])
    found["processes"] = compare_processes(service, lasting, readers)
    print("\nprocesses:", found["processes"])
    failures = [*tally.wrong, *exploded.wrong, *judge(found)]
    found |= {"seconds": round(time.monotonic() - started, 1), "failures": failures}
    print("\nfailures:", *(failures or ["none"]), sep="\n  ")
    return found


def send_all(service: Service, tally: Tally, numbers: range) -> Row:
    """Send the damaged images, and print what was answered."""
    started = time.monotonic()
    sent = asyncio.run(send_mutants(service.url, tally, numbers, LONGEST_S))
    seconds = time.monotonic() - started
    print(f"{sent} damaged images in {seconds:.0f} s")
    for kind, count in tally.kinds.most_common():
        print(f"  {count:6d}  {kind}")
    print(f"  longest {tally.longest_s[0]:.2f} s: {tally.longest_s[1]}")
    return {
        "first": numbers.start,
        "sent": sent,
        "seconds": round(seconds, 1),
        "answers": dict(tally.kinds.most_common()),
        "wrong": tally.wrong_count,
        "longest_s": round(tally.longest_s[0], 2),
        "longest": tally.longest_s[1],
        "decode_timeouts": tally.timed_out,
    }


def print_bombs(rows: list[Row]) -> list[Row]:
    """Print what the bombs did."""
    print(f"\n{'bomb':<28} {'bytes':>10}  {'answer':<26} {'s':>6} {'growth MB':>10}")
    for row in rows:
        answer = f"{row['status']} {row['answer']}"
        times = f"{row['seconds']:6.2f} {row['growth_mb']:10.1f}"
        print(f"{row['bomb']:<28} {row['bytes']:>10}  {answer:<26} {times}")
    return rows


def compare_processes(service: Service, lasting: dict[int, str], readers: set[int]) -> Row:
    """Compare the processes with those that there were."""
    now = list_lasting(service)
    log = service.read_log()
    return {
        "lasting": len(lasting),
        "ended": sorted(name for number, name in lasting.items() if number not in now),
        "readers": len(readers),
        "readers_replaced": len(readers - list_readers(service)),
        "readers_crashed": log.count(ENDED),
        "tracebacks": log.count("Traceback"),
    }


def judge(found: dict[str, object]) -> list[str]:
    """List what is not as it should be, beside wrong answers."""
    failures = []
    processes, slow, contract = (
        found[name] for name in ("processes", "slow_uploads", "schemathesis")
    )
    assert isinstance(processes, dict)
    assert isinstance(slow, dict)
    assert isinstance(contract, dict)
    assert isinstance(found["bombs"], list)
    failures += [f"process ended: {name}" for name in processes["ended"]]
    failures += ["a traceback was logged"] * bool(processes["tracebacks"])
    failures += [
        f"{row['bomb']} made a process grow by {row['growth_mb']} MB"
        for row in found["bombs"]
        if row["growth_mb"] > GROWTH_MB
    ]
    failures += ["slow uploads: p99 above twice"] * (slow["p99_ratio"] > RATIO)
    failures += ["schemathesis found failures"] * (contract["exit_code"] != 0)
    return failures


if __name__ == "__main__":
    sys.exit(main())
