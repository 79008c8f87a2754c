"""Run ``python -m bench.studies.tune_options``: what an option of `vitrine tune` does.

Runs on the digits without and with it, for each seed of the order of the images, from the same
untrained weights. The last epoch is judged, as nothing chose it. Prints a table; the last line of
stdout is one JSON object, which is also kept in bench/results.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean

from app.training.run_folder import METRICS
from bench.kit.results import BenchError, Record, save, start_record
from tests.support.service import ROOT
from tools.train_digits.__main__ import write_untrained
from tools.train_digits.digits import split_digits, write_dataset

EPOCHS, SEEDS = 12, 5
LIKE_DEMO = ("--lr", "2e-3", "--batch-size", "64", "--augment", "light")
OPTIONS = {
    "ema": ("--ema",),
    "smoothing": ("--label-smoothing", "0.1"),
    "augment": ("--augment", "none"),
}


def tune(work: Path, run: Path, *options: str) -> Record:
    """Tune the model on the digits; gives how well the last epoch did on the held-out fifth."""
    command = [sys.executable, "-m", "app.cli.main", "tune", str(work / "digits")]
    command += ["--out", str(run), "--base", str(work / "untrained"), *LIKE_DEMO, *options]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"vitrine tune has failed:\n{done.stderr[-2000:]}")
    last = json.loads((run / METRICS).read_text().splitlines()[-1])
    return {name: last[name] for name in ("accuracy", "loss")}


def main() -> None:
    """Tune, print the table, and keep the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.tune_options")
    parser.add_argument("option", choices=OPTIONS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    asked = parser.parse_args()
    record = start_record("tune-options") | vars(asked)
    found: dict[str, list[Record]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_dataset(work / "digits", split_digits())
        write_untrained(work / "untrained")
        for seed in range(asked.seeds):
            for name, option in {"without": (), "with": OPTIONS[asked.option]}.items():
                given = ("--seed", str(seed), "--epochs", str(asked.epochs), *option)
                one = tune(work, work / f"{name}-{seed}", *given)
                found[name].append(one)
                print(f"seed {seed} {name:<8} {one['accuracy']:.4f}  {one['loss']:.4f}", flush=True)
    means = {name: mean(one["accuracy"] for one in runs) for name, runs in found.items()}
    print(f"mean accuracy without {means['without']:.4f}, with {means['with']:.4f}")
    save(record | {"mean_accuracy": means, "runs": found}, f"tune-{asked.option}")


if __name__ == "__main__":
    main()
