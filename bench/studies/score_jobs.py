"""Jobs of `vitrine score` as `bench.studies.score` runs them: how fast, in how much memory, killed.

The memory of a job is that of all its processes together, by their share of common pages (PSS).
"""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil
from matplotlib.axes import Axes

from bench.kit.plots import draw_panels
from bench.kit.results import DOCS, BenchError, Record
from tests.support.service import ROOT

SAMPLE_S = 1.0
MB = 1 << 20
PROGRESS = re.compile(rb"([\d,]+) of [\d,]+  \d+%")
"""How far a job is, on its line of progress."""

GOING_ON = re.compile(rb"going on: ([\d,]+) of")
"""What a second run takes over."""

Points = list[tuple[float, float]]
"""Seconds since the start, and MB of all processes together."""


def run_job(images: Path, model: Path) -> float:
    """Score a folder with the command; gives images/s from the first result to the last."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command, environment = _build_command(images, model, out)
        done = subprocess.run(
            command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise BenchError(f"vitrine score has failed:\n{done.stderr[-2000:]}")
        return float(json.loads((out / "summary.json").read_text())["files_per_second"])


def _build_command(images: Path, model: Path, out: Path) -> tuple[list[str], dict[str, str]]:
    """Build the command and its environment."""
    command = [sys.executable, "-m", "app.cli.main", "score", str(images), "--out", str(out)]
    return command, os.environ | {"VITRINE_MODEL": str(model), "TERM": "xterm", "COLUMNS": "160"}


@contextmanager
def start_job(
    images: Path, model: Path, out: Path
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Start the command on a terminal of its own; gives it, and what reads the terminal.

    Raises:
        BenchError: it has failed, and was not killed.
    """
    command, environment = _build_command(images, model, out)
    reading, writing = pty.openpty()
    try:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=writing, stderr=writing
        )
        os.close(writing)
        os.set_blocking(reading, False)
        yield process, reading
        if process.wait() > 0:
            raise BenchError(f"vitrine score has failed: {read_screen(reading)[-2000:]!r}")
    finally:
        os.close(reading)


def read_screen(screen: int) -> bytes:
    """Read what is new on the terminal."""
    found = b""
    with contextlib.suppress(OSError):  # nothing is new, or the command has ended
        while data := os.read(screen, 1 << 16):
            found += data
    return found


def watch(process: "subprocess.Popen[bytes]", screen: int, stop_at: int | None = None) -> Record:
    """Watch a job to its end, or kill it where so many images are scored.

    Returns:
        `points` of its memory; `shown`, the images on its last line of progress; and `taken_over`.
    """
    started, shown, taken_over = time.monotonic(), 0, 0
    points: Points = []
    while process.poll() is None:
        text = read_screen(screen)
        taken_over = max([taken_over, *_find_numbers(GOING_ON, text)])
        shown = max([shown, *_find_numbers(PROGRESS, text)])
        processes = _list_processes(process.pid)
        points.append((round(time.monotonic() - started, 1), _measure_memory(processes)))
        if stop_at is not None and shown >= stop_at:
            _kill(processes)
        time.sleep(SAMPLE_S)
    return {"points": points, "shown": shown, "taken_over": taken_over}


def measure_memory(images: Path, few: Path, model: Path) -> Record:
    """Watch a job of few images, one of all, and one that is killed and run again; draw it."""
    count = len(list(images.iterdir()))
    found: dict[str, Record] = {}
    with tempfile.TemporaryDirectory() as folder:

        def run(name: str, given: Path, out: str, stop_at: int | None = None) -> None:
            with start_job(given, model, Path(folder) / out) as (process, screen):
                found[name] = watch(process, screen, stop_at)

        run(f"{len(list(few.iterdir())):,} images", few, "few")
        run(f"{count:,} images", images, "all")
        run("killed in the middle", images, "killed", count // 2)
        run("run again", images, "killed")
        same = _read_rows(Path(folder) / "all") == _read_rows(Path(folder) / "killed")
    points = {name: one["points"] for name, one in found.items()}
    draw_memory(points)
    return {
        "points": points,
        "steady_mb": {name: measure_steady(one) for name, one in points.items()},
        "shown_when_killed": found["killed in the middle"]["shown"],
        "taken_over": found["run again"]["taken_over"],
        "rows_are_the_same": same,
    }


def draw_memory(points: dict[str, Points]) -> None:
    """Draw the memory of each job over time."""

    def draw(axes: Axes) -> None:
        for name, one in points.items():
            axes.plot(*zip(*one, strict=True), label=name)
        axes.set(xlabel="seconds", ylabel="MB of all processes", ylim=(0, None))

    draw_panels("Memory of vitrine score", [draw], 1, DOCS / "score-memory.png", (7, 3))


def measure_steady(points: Points) -> float:
    """Measure the median of the second half of a job, before its end."""
    return round(median(mb for _, mb in points[len(points) // 2 :]), 1)


def _find_numbers(pattern: "re.Pattern[bytes]", text: bytes) -> list[int]:
    """Find all numbers that a line says."""
    return [int(one.replace(b",", b"")) for one in pattern.findall(text)]


def _list_processes(pid: int) -> list[psutil.Process]:
    """List a process and all below it; none once it has ended."""
    try:
        top = psutil.Process(pid)
        return [top, *top.children(recursive=True)]
    except psutil.Error:
        return []


def _measure_memory(processes: list[psutil.Process]) -> float:
    """Measure the MB of processes, those left out that have ended."""
    total = 0.0
    for one in processes:
        with contextlib.suppress(psutil.Error):
            total += one.memory_full_info().pss / MB
    return round(total, 1)


def _kill(processes: list[psutil.Process]) -> None:
    """Kill processes, as a machine does that loses power."""
    for one in processes:
        with contextlib.suppress(psutil.Error):
            one.kill()


def _read_rows(out: Path) -> list[bytes]:
    """Read the files of rows."""
    return [file.read_bytes() for file in sorted((out / "rows").iterdir())]
