"""Run ``python -m bench.studies.score``: `vitrine score` beside other ways to score a folder.

Generated JPEGs, a ViT-Ti/16 with random weights, alternating rounds of: the reader and the engine
in a plain loop without Ray (`raw`), `vitrine score`, transformers' pipeline, a plain Ray Data
script, and the service driven by its bulk route. Each is a process of its own; counted are images a
second between its first result and its last. Then the memory of the whole job, all its processes
together, for a fifth of the images and for all. Prints a table; the last line of stdout is one JSON
object, which is also kept in bench/results; draws docs/score-memory.png.
"""

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median

import psutil
from matplotlib.axes import Axes
from PIL import Image

from bench.kit.images import draw_photograph
from bench.kit.models import MODELS, find_checkpoint
from bench.kit.plots import draw_panels
from bench.kit.results import DOCS, BenchError, Record, format_table, save, start_record
from bench.kit.rounds import divide, run_rounds
from bench.studies.score_loops import LOOPS
from tests.support.service import ROOT

SCORE = "vitrine score"
SIDES, HEIGHTS = (300, 560), (300, 480)
PAGE = (800, 600)
QUALITY, SEED = 88, 1
SMALL = 5
"""The smaller job has so many times fewer images."""

SAMPLE_S = 1.0
MB = 1 << 20

Points = list[tuple[float, float]]
"""Seconds since the start, and MB of all processes together."""


def write_images(folder: Path, count: int) -> Path:
    """Write JPEGs of several sizes: crops of a drawn photograph."""
    chosen = random.Random(SEED)  # noqa: S311 - the same images in each run
    page = Image.open(BytesIO(draw_photograph(*PAGE).content))
    folder.mkdir()
    for number in range(count):
        width, height = chosen.randint(*SIDES), chosen.randint(*HEIGHTS)
        x, y = chosen.randint(0, PAGE[0] - width), chosen.randint(0, PAGE[1] - height)
        crop = page.crop((x, y, x + width, y + height))
        crop.save(folder / f"{number:06}.jpg", quality=QUALITY)
    return folder


def measure_loop(name: str, images: Path, model: Path) -> float:
    """Measure the images/s of one of LOOPS."""
    command = (sys.executable, "-m", "bench.studies.score_loops", name, images, model)
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"{name} has failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return divide(found["images"], found["seconds"])


def measure_score(images: Path, model: Path, points: Points | None = None) -> float:
    """Measure the images/s of `vitrine score`, and its memory where points are to be added."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = (sys.executable, "-m", "app.cli.main", "score", images, "--out", out)
        environment = os.environ | {"VITRINE_MODEL": str(model)}
        with (Path(folder) / "log").open("w+") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
            if points is not None:
                watch(process, points)
            if process.wait():
                log.seek(0)
                raise BenchError(f"vitrine score has failed:\n{log.read()[-2000:]}")
        return float(json.loads((out / "summary.json").read_text())["files_per_second"])


def watch(process: "subprocess.Popen[bytes]", points: Points) -> None:
    """Add the memory of a process and all below it, by their share of common pages (PSS)."""
    started, top = time.monotonic(), psutil.Process(process.pid)
    while process.poll() is None:
        total = 0.0
        with contextlib.suppress(psutil.Error):
            for one in (top, *top.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    total += one.memory_full_info().pss / MB
        points.append((round(time.monotonic() - started, 1), round(total, 1)))
        time.sleep(SAMPLE_S)


def measure_memory(images: Path, few: Path, model: Path) -> Record:
    """Measure the memory of a job of few images and of one of many, and draw it."""
    found: dict[str, Points] = {}
    for folder in (few, images):
        points = found.setdefault(f"{len(list(folder.iterdir())):,} images", [])
        measure_score(folder, model, points)

    def draw(axes: Axes) -> None:
        for name, points in found.items():
            axes.plot(*zip(*points, strict=True), label=name)
        axes.set(xlabel="seconds", ylabel="MB of all processes", ylim=(0, None))

    draw_panels("Memory of vitrine score", [draw], 1, DOCS / "score-memory.png", (7, 3))
    steady = {
        name: median(mb for _, mb in points[len(points) // 2 :]) for name, points in found.items()
    }
    return {"points": found, "steady_mb": steady}


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", choices=MODELS, default="tiny")
    parser.add_argument("--only", nargs="*", default=list(LOOPS), choices=LOOPS)
    parser.add_argument("--no-memory", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Measure, print the table, and keep the record."""
    options = read_options()
    record = start_record("score") | {"images": options.images, "model": options.model}
    model = find_checkpoint(options.model).folder
    with tempfile.TemporaryDirectory(prefix="vitrine-score-") as folder:
        images = write_images(Path(folder) / "all", options.images)
        measures = {name: partial(measure_loop, name, images, model) for name in options.only}
        rates = run_rounds(
            {SCORE: partial(measure_score, images, model)} | measures, options.rounds
        )
        if not options.no_memory:
            few = write_images(Path(folder) / "few", options.images // SMALL)
            record["memory"] = measure_memory(images, few, model)
    medians = {name: median(values) for name, values in rates.items()}
    record |= {"files_per_s": rates, "medians": medians}
    record["ratios"] = {
        name: divide(medians[SCORE], value) for name, value in medians.items() if name != SCORE
    }
    rows = [
        (name, f"{value:.0f}", record["ratios"].get(name, "")) for name, value in medians.items()
    ]
    print(format_table(("", "files/s", f"{SCORE} is so many times as fast"), rows))
    if "memory" in record:
        print(record["memory"]["steady_mb"])
    save(record, "score")


if __name__ == "__main__":
    main()
