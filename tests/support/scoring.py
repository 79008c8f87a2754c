"""`vitrine score` as a process of its own: started, watched, killed, and what it has written."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from tests.support.service import ROOT, default_sigint

COMMAND = (sys.executable, "-m", "app.cli.main", "score")

WAIT_S = 120.0


@dataclass(frozen=True)
class Scoring:
    """A run of the command.

    Attributes:
        process: its process.
        out: where it writes to.
        log: what it wrote to standard error and output.
    """

    process: "subprocess.Popen[bytes]"
    out: Path
    log: Path

    def wait(self) -> int:
        """Wait until it ends; gives its exit code."""
        return self.process.wait(WAIT_S)

    def read_log(self) -> str:
        """Read what it has written to the terminal."""
        return self.log.read_text()

    def wait_for_parts(self, count: int) -> None:
        """Wait until so many parts are done."""
        deadline = time.monotonic() + WAIT_S
        while len(list_done(self.out)) < count:
            assert self.process.poll() is None, self.read_log()
            assert time.monotonic() < deadline, self.read_log()
            time.sleep(0.01)

    def find_actor(self) -> psutil.Process:
        """Find the process of the actor that scores."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        (actor,) = (one for one in children if "MapWorker" in " ".join(one.cmdline()))
        return actor


@contextmanager
def start_scoring(
    arguments: Sequence[str | Path], out: Path | str, *wrapped: str, log: Path | None = None
) -> Iterator[Scoring]:
    """Start the command; whatever is left of it is ended.

    Args:
        arguments: all but --out.
        out: where it writes to.
        wrapped: a command that runs it.
        log: file for what it writes to the terminal; None for one beside `out`.
    """
    log = log or Path(out).with_suffix(".log")
    environment = os.environ | {
        "COLUMNS": "200",
        "VITRINE_MODEL": str(ROOT / "app/demo/checkpoint"),
    }
    command = (*wrapped, *COMMAND, *map(str, arguments), "--out", str(out))
    with log.open("wb") as written, default_sigint():
        process = subprocess.Popen(
            command, stdout=written, stderr=written, cwd=ROOT, env=environment
        )
    children: list[psutil.Process] = []
    try:
        yield Scoring(process, Path(out), log)
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
    finally:
        process.kill()
        process.wait()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()


def score(
    arguments: Sequence[str | Path], out: Path | str, log: Path | None = None
) -> tuple[int, str]:
    """Run the command to its end; gives its exit code and what it wrote to the terminal."""
    with start_scoring(arguments, out, log=log) as scoring:
        return scoring.wait(), scoring.read_log()


def list_done(out: Path) -> list[Path]:
    """List the summaries of the parts that are done."""
    return sorted((out / ".vitrine" / "summaries").glob("*.json"))


def read_rows(out: Path) -> list[dict[str, Any]]:
    """Read all rows that were written, in the order of their paths."""
    rows: list[dict[str, Any]] = pq.read_table(out / "rows").to_pylist()
    return sorted(rows, key=lambda row: str(row["path"]))
