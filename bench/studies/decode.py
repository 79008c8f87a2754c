"""Run ``python -m bench.studies.decode``: how near scaled decoding is to exact, what it saves.

Each photograph is decoded exactly and with each gap in turn, brought to each model's pixels and
scored. Counted are the photographs that the gap decodes smaller; the others are exact anyway.
The last line of stdout is one JSON object, kept in bench/results.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from app.backend import Pixels
from app.classifier.model import Model
from app.images.decoder import ImageDecoder
from app.images.geometry import build_processor
from app.prediction.scores import compute_scores
from bench.kit.results import Record, save, start_record
from bench.studies.photographs import SIZES, SOURCES, load_models, make_photographs

PHOTOGRAPHS = 360
GAPS = (2.0, 3.0, 4.0)
BAR = 0.999
SEED = 23
LIMIT = 50_000_000
HEAD = "gap   pictures  agree   largest  p99      mean     CPU ratio  margins of those that differ"


@dataclass(frozen=True)
class Outcome:
    """One photograph under one gap, None for exactly: its size, pixels, scores and CPU time."""

    edge: int
    is_scaled: bool
    pixels: Pixels
    scores: NDArray[np.float32]
    cpu_ms: float


def study_photograph(data: bytes, edge: int, model: Model) -> dict[float | None, Outcome]:
    """Return one outcome for the exact decode (None) and for each gap, as the service decodes."""
    processor = build_processor(model.description.geometry, LIMIT)
    outcomes: dict[float | None, Outcome] = {}
    for gap in (None, *GAPS):
        started = time.thread_time()
        decoded = ImageDecoder(LIMIT, LIMIT, gap).decode(data, processor.find_target)
        pixels = processor(decoded)
        cpu_ms = 1000 * (time.thread_time() - started)
        is_scaled = decoded.box is not None
        if gap is None or is_scaled:
            scores = compute_scores(model.forward(pixels[None])[0], "softmax")
        else:
            scores = outcomes[None].scores
        outcomes[gap] = Outcome(edge, is_scaled, pixels, scores, cpu_ms)
    return outcomes


def find_margin(scores: NDArray[np.float32]) -> float:
    """Return how far the best score is above the second."""
    return float(np.diff(np.sort(scores)[-2:])[0])


def summarize_gap(studied: list[dict[float | None, Outcome]], gap: float) -> Record:
    """Return the figures of one model under one gap."""
    pairs = [(each[None], each[gap]) for each in studied if each[gap].is_scaled]
    changes = [float(np.abs(exact.scores - scaled.scores).max()) for exact, scaled in pairs]
    pixels = [np.abs(a.pixels.astype(float) - b.pixels).mean() for a, b in pairs]
    differing = [a for a, b in pairs if a.scores.argmax() != b.scores.argmax()]
    agreement = 1 - len(differing) / len(pairs)
    ratios: dict[str, float] = {}  # of CPU time, for each of SIZES that was decoded smaller
    for width, height in SIZES:
        same = [(a.cpu_ms, b.cpu_ms) for a, b in pairs if width - 9 < a.edge <= width]
        if same:
            exact_ms, scaled_ms = map(sum, zip(*same, strict=True))
            ratios[f"{width}x{height}"] = round(exact_ms / scaled_ms, 2)
    return {
        "gap": gap,
        "photographs": len(pairs),
        "top1_agreement": round(agreement, 5),
        "reaches_bar": agreement >= BAR,
        "largest_difference": round(max(changes), 5),
        "p99_difference": round(float(np.percentile(changes, 99)), 5),
        "mean_pixel_difference": round(float(np.mean(pixels)), 3),
        "margins_of_differing": sorted(round(find_margin(each.scores), 5) for each in differing),
        "cpu_exact_over_scaled": ratios,
    }


def print_table(name: str, rows: list[Record], margins: list[float]) -> None:
    """Print the figures of one model."""
    print(f"\n{name}: half of all photographs have a margin below {np.median(margins):.4f}\n{HEAD}")
    for row in rows:
        ratios = " ".join(map(str, row["cpu_exact_over_scaled"].values()))
        print(
            f"{row['gap']:<5} {row['photographs']:>8} {row['top1_agreement']:>7.2%} "
            f"{row['largest_difference']:>9.4f} {row['p99_difference']:>8.4f} "
            f"{row['mean_pixel_difference']:>7.3f}  {ratios}  {row['margins_of_differing'][-5:]}"
        )


def run_study(count: int) -> Record:
    """Study every model and return the record."""
    torch.set_num_threads(1)
    record = start_record("decode") | {"photographs": count, "models": {}}
    record["sources"] = [path.name for path in SOURCES]
    with tempfile.TemporaryDirectory() as folder:
        models = load_models(Path(folder))
    studied: dict[str, list[dict[float | None, Outcome]]] = {name: [] for name in models}
    for data, edge in make_photographs(count, SEED):
        for name, model in models.items():
            studied[name].append(study_photograph(data, edge, model))
    for name, each in studied.items():
        used = [gap for gap in GAPS if any(outcomes[gap].is_scaled for outcomes in each)]
        rows = [summarize_gap(each, gap) for gap in used]
        print_table(name, rows, [find_margin(outcomes[None].scores) for outcomes in each])
        record["models"][name] = rows
    return record


def main() -> None:
    """Run the study and keep the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.decode", description=__doc__)
    parser.add_argument("--photographs", type=int, default=PHOTOGRAPHS)
    count = parser.parse_args().photographs
    save(run_study(count), "decode" if count >= PHOTOGRAPHS else "decode-part")


if __name__ == "__main__":
    main()
