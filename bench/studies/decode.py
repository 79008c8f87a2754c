"""Run ``python -m bench.studies.decode``: how near scaled decoding is to exact, what it saves.

Each photograph is decoded exactly and with each gap in turn, brought to each model's pixels and
scored. Counted are the photographs that the gap decodes smaller; the others are exact anyway.
The last line of standard output is one JSON document, kept in bench/results.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from app.backend import Logits, Pixels
from app.classifier.model import Model
from app.images.decoder import DecodedImage, ImageDecoder
from app.images.geometry import Processor, build_processor
from bench.compare.summary import Document
from bench.kit.machine import describe_machine
from bench.kit.results import RESULTS
from bench.studies.checkpoints import load_models
from bench.studies.photographs import SIZES, SOURCES, Photograph, make_photographs

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
    scores: NDArray[np.float64]
    cpu_ms: float


def measure_ms(
    act: Callable[[], tuple[DecodedImage, Pixels]],
) -> tuple[DecodedImage, Pixels, float]:
    """Return what `act` does and this thread's milliseconds of CPU time."""
    started = time.thread_time()
    decoded, pixels = act()
    return decoded, pixels, (time.thread_time() - started) * 1000


def read_photograph(
    data: bytes, gap: float | None, processor: Processor
) -> tuple[DecodedImage, Pixels]:
    """Decode and apply the geometry, as the service does."""
    decoded = ImageDecoder(LIMIT, LIMIT, gap).decode(data, processor.find_target)
    return decoded, processor(decoded)


def compute_scores(logits: Logits) -> NDArray[np.float64]:
    """Return the softmax of logits, for any shape whose last axis is the labels."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def study_photograph(photograph: Photograph, model: Model) -> dict[float | None, Outcome]:
    """Return one outcome for the exact decode (None) and for each gap."""
    processor = build_processor(model.description.geometry, LIMIT)
    outcomes: dict[float | None, Outcome] = {}
    for gap in (None, *GAPS):
        decoded, pixels, cpu_ms = measure_ms(
            lambda gap=gap: read_photograph(photograph.data, gap, processor)
        )
        is_scaled = decoded.box is not None
        if gap is None or is_scaled:
            scores = compute_scores(model.forward(np.stack([pixels])))[0]
        else:
            scores = outcomes[None].scores
        outcomes[gap] = Outcome(photograph.edge, is_scaled, pixels, scores, cpu_ms)
    return outcomes


def find_margin(scores: NDArray[np.float64]) -> float:
    """Return how far the best score is above the second."""
    return float(np.diff(np.sort(scores)[-2:])[0])


def summarize_time(pairs: list[tuple[Outcome, Outcome]]) -> Document:
    """Return exact over scaled CPU time, for each of SIZES that was decoded smaller."""
    ratios = {}
    for width, height in SIZES:
        same = [pair for pair in pairs if width - 9 < pair[0].edge <= width]
        if same:
            exact, scaled = (
                sum(outcome.cpu_ms for outcome in side) for side in zip(*same, strict=True)
            )
            ratios[f"{width}x{height}"] = round(exact / scaled, 2)
    return ratios


def summarize_gap(studied: list[dict[float | None, Outcome]], gap: float) -> Document:
    """Return the figures of one model under one gap."""
    pairs = [(each[None], each[gap]) for each in studied if each[gap].is_scaled]
    changes = [float(np.abs(exact.scores - scaled.scores).max()) for exact, scaled in pairs]
    pixels = [np.abs(a.pixels.astype(float) - b.pixels).mean() for a, b in pairs]
    differing = [a for a, b in pairs if a.scores.argmax() != b.scores.argmax()]
    agreement = 1 - len(differing) / len(pairs)
    return {
        "gap": gap,
        "photographs": len(pairs),
        "top1_agreement": round(agreement, 5),
        "reaches_bar": agreement >= BAR,
        "largest_difference": round(max(changes), 5),
        "p99_difference": round(float(np.percentile(changes, 99)), 5),
        "mean_pixel_difference": round(float(np.mean(pixels)), 3),
        "margins_of_differing": sorted(round(find_margin(each.scores), 5) for each in differing),
        "cpu_exact_over_scaled": summarize_time(pairs),
    }


def print_table(name: str, rows: list[Document], margins: list[float]) -> None:
    """Print the figures of one model."""
    print(f"\n{name}: half of all photographs have a margin below {np.median(margins):.4f}\n{HEAD}")
    for row in rows:
        ratios = " ".join(map(str, row["cpu_exact_over_scaled"].values()))
        print(
            f"{row['gap']:<5} {row['photographs']:>8} {row['top1_agreement']:>7.2%} "
            f"{row['largest_difference']:>9.4f} {row['p99_difference']:>8.4f} "
            f"{row['mean_pixel_difference']:>7.3f}  {ratios}  {row['margins_of_differing'][-5:]}"
        )


def run_study(count: int) -> Document:
    """Study every model and return the document."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        models = load_models(Path(folder))
    studied: dict[str, list[dict[float | None, Outcome]]] = {name: [] for name in models}
    for photograph in make_photographs(count, SEED):
        for name, model in models.items():
            studied[name].append(study_photograph(photograph, model))
    document: Document = {
        "benchmark": "decode",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "photographs": count,
        "sources": [path.name for path in SOURCES],
        "machine": describe_machine(),
        "models": {},
    }
    for name, each in studied.items():
        used = [gap for gap in GAPS if any(outcomes[gap].is_scaled for outcomes in each)]
        rows = [summarize_gap(each, gap) for gap in used]
        print_table(name, rows, [find_margin(outcomes[None].scores) for outcomes in each])
        document["models"][name] = rows
    return document


def main() -> None:
    """Run the study, keep the document and print it as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.studies.decode", description=__doc__)
    parser.add_argument("--photographs", type=int, default=360)
    document = run_study(parser.parse_args().photographs)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-decode.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document))


if __name__ == "__main__":
    main()
