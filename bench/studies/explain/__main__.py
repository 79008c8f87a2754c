"""Run ``python -m bench.studies.explain``: which map is faithful to a ViT, and what it costs.

The protocol is in docs/explain.md. ``--only`` runs one half anew, into the results that are there.
The last line of stdout is one JSON object, kept in bench/results.
"""

import argparse
import json
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench.kit.results import RESULTS, Record, save, start_record
from bench.studies.explain.cost import measure_cost
from bench.studies.explain.curves import STEPS
from bench.studies.explain.drawings import draw_maps
from bench.studies.explain.report import draw_plot, print_tables
from bench.studies.explain.study import PICTURES, SETS, judge, open_set, study_one
from bench.studies.explain.tuning import tune_vit

RUN = "explain"


def run_study(count: int, folder: Path) -> Record:
    """Study both sets at once; the ViT of the photographs is tuned into the folder."""
    record = start_record(RUN) | {"steps": STEPS, "sets": {}, "verdicts": {}}
    if not (folder / "config.json").exists():
        tune_vit(folder)
    with ProcessPoolExecutor(len(SETS), get_context("spawn")) as pool:
        found = list(pool.map(study_one, SETS, [folder] * len(SETS), [count] * len(SETS)))
    for name, result in zip(SETS, found, strict=True):
        record["sets"][name] = result
        record["verdicts"][name] = judge(result)
    draw_maps([open_set(name, folder, count) for name in SETS])
    return record


def read_record() -> Record:
    """Read the newest results; none if there are none."""
    kept = sorted(RESULTS.glob(f"*-{RUN}.json"))
    record: Record = json.loads(kept[-1].read_text()) if kept else {}
    return record


def main() -> None:
    """Run the study and keep the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.explain", description=__doc__)
    parser.add_argument("--pictures", type=int, default=PICTURES, help="of each set")
    parser.add_argument("--model", type=Path, help="folder to keep the tuned ViT in, or to find it")
    parser.add_argument("--only", choices=("maps", "cost"), help="run this half alone")
    given = parser.parse_args()
    record = read_record() if given.only else {}
    if given.only != "cost":
        with tempfile.TemporaryDirectory() as spare:
            record |= run_study(given.pictures, given.model or Path(spare))
    if given.only != "maps":
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # whose memory is its own
            record["cost"] = start_record(RUN) | pool.submit(measure_cost).result()
    print_tables(record)
    is_whole = given.pictures >= PICTURES
    if is_whole:
        draw_plot(record)
    save(record, RUN if is_whole else f"{RUN}-part")


if __name__ == "__main__":
    main()
