"""Results: one JSON object for each run, kept in bench/results with the machine it ran on."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from tests.support.service import ROOT

PACKAGES = ("ray", "fastapi", "torch", "transformers", "pillow", "uvicorn", "uvloop", "httptools")


def describe_machine(packages: Sequence[str] = PACKAGES) -> dict[str, object]:
    """Return where something was measured; the commit is marked when files differ from it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processors = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    command = ("git", "-C", ROOT, "describe", "--always", "--dirty")
    revision = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    installed = {one.name.lower(): one.version for one in distributions()}
    return {
        "platform": platform.platform(),
        "processor": processors[0] if processors else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "load_average_before": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "vitrine": revision or None,
        "packages": {name: installed.get(name) for name in packages},
    }


RESULTS = ROOT / "bench" / "results"
DOCS = ROOT / "docs"

Record = dict[str, Any]
"""What one run found, as it is saved."""


class BenchError(Exception):
    """The benchmark cannot go on; the message says why."""


def start_record(benchmark: str) -> Record:
    """Return the head of a run's record: when it started, and on what machine."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"benchmark": benchmark, "started": started, "machine": describe_machine()}


def save(record: Record, run: str) -> None:
    """Keep the record in bench/results and print it as the last line."""
    RESULTS.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y-%m-%d}-{run}.json"
    (RESULTS / name).write_text(json.dumps(record, indent=1) + "\n")
    print(f"\nkept in bench/results/{name}")
    print(json.dumps(record))


def format_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines])
