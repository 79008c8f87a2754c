"""Run ``python -m bench.studies.score``: `vitrine score` beside other ways to score a folder.

Generated JPEGs, a ViT-Ti/16 with random weights, alternating rounds of: the reader and the engine
in a plain loop without Ray (`raw`), `vitrine score`, transformers' pipeline, a plain Ray Data
script, and the service driven by its bulk route. Each is a process of its own; counted are images a
second between its first result and its last; slow ones get a fifth of the images. Then the memory
of a whole job, for a fifth of the images, for all, and for all where the job is killed in the
middle and run again. Prints a table; the last line of stdout is one JSON object, which is also kept
in bench/results; draws docs/score-memory.png.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median

from PIL import Image

from bench.kit.images import draw_photograph
from bench.kit.models import MODELS, find_checkpoint
from bench.kit.results import BenchError, format_table, save, start_record
from bench.kit.rounds import divide, run_rounds
from bench.studies.score_jobs import measure_memory, run_job
from bench.studies.score_loops import LOOPS, SLOW
from tests.support.service import ROOT

SCORE = "vitrine score"
SIDES, HEIGHTS = (300, 560), (300, 480)
PAGE = (800, 600)
QUALITY, SEED = 88, 1
SMALL = 5
"""The smaller job, and slow ways to score, have so many times fewer images."""


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


def measure_loop(name: str, images: Path, model: Path, count: int) -> float:
    """Measure the images/s of one of LOOPS over so many images."""
    command = (sys.executable, "-m", "bench.studies.score_loops", name, images, model, str(count))
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"{name} has failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return divide(found["images"], found["seconds"])


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
        some = options.images // SMALL
        measures = {SCORE: partial(run_job, images, model)} | {
            name: partial(
                measure_loop, name, images, model, some if name in SLOW else options.images
            )
            for name in options.only
        }
        rates = run_rounds(measures, options.rounds, unseen=0)
        if not options.no_memory:
            few = write_images(Path(folder) / "few", some)
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
        print({name: value for name, value in record["memory"].items() if name != "points"})
    save(record, "score")


if __name__ == "__main__":
    main()
