"""One set of pictures under all methods: faithfulness, pointing and the randomised head."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from bench.kit.results import Record
from bench.studies.explain.curves import BASELINES, Values, measure_saco, trace_curves
from bench.studies.explain.intervals import Bootstrap
from bench.studies.explain.pictures import PictureSet, make_crops, make_digits
from bench.studies.explain.rivals import CEILING, DEFAULT, Method, build_methods
from bench.studies.explain.road import measure_road
from bench.studies.explain.sanity import (
    compare_with_random_head,
    play_pointing,
    run_in_batches,
)
from bench.studies.explain.subject import Subject

PICTURES, ROAD_PICTURES, HEAD_PICTURES = 500, 120, 100
SEED, CROPS_SEED = 41, 43
SETS = ("digits", "photographs")
MODEL_FREE = {"centre", "random"}
JUDGED = ("difference", "saco")
"""Measures of the gate, each the mean over the baselines."""

MEASURES = ("deletion", "insertion", "difference", "saco")

Found = dict[str, Values]
"""Values `[n]` of one method, by the name of the measure."""


def study_one(name: str, folder: Path, count: int) -> Record:
    """Study one set, on one thread."""
    torch.set_num_threads(1)
    return study_set(*open_set(name, folder, count), count)


def open_set(name: str, folder: Path, count: int) -> tuple[Subject, PictureSet]:
    """Open the model and make the pictures of a set."""
    if name == "digits":
        return Subject("bundled"), make_digits()
    return Subject(folder), make_crops(2 * count, CROPS_SEED, held_out=True)


def study_set(subject: Subject, pictures: PictureSet, count: int) -> Record:
    """Return what was found for a set, on `count` pictures that the model gets right."""
    right = np.flatnonzero(subject.run(pictures.pixels).argmax(axis=1) == pictures.labels)
    accuracy = len(right) / len(pictures.labels)
    chosen = np.random.default_rng(SEED).permutation(right)[:count]
    chosen_set = pictures.select(chosen)
    print(
        f"\n{pictures.name}: accuracy {accuracy:.3f}, {len(chosen)} pictures that are right",
        flush=True,
    )
    methods = build_methods(subject)
    found = dict(_study_methods(subject, chosen_set, methods))
    looking = {name: one for name, one in methods.items() if name not in MODEL_FREE}
    few = chosen_set.select(np.arange(min(HEAD_PICTURES, len(chosen))))
    pointing = play_pointing(subject, pictures.select(right), methods)
    return {
        "pictures": len(chosen),
        "sources": len(np.unique(chosen_set.sources)),
        "accuracy": round(accuracy, 4),
        "methods": _summarize(found, chosen_set.sources),
        "default_minus": _compare(found, chosen_set.sources),
        "pointing": {
            name: Bootstrap(np.arange(len(shares))).find_interval(np.array(shares))
            for name, shares in pointing.items()
        },
        "random_head": {
            name: round(value, 3)
            for name, value in compare_with_random_head(subject, few, looking).items()
        },
    }


def _study_methods(
    subject: Subject, pictures: PictureSet, methods: dict[str, Method]
) -> Iterator[tuple[str, Found]]:
    """Yield the values of each method."""
    pixels, labels = pictures.pixels, pictures.labels
    bases = {name: make(pixels) for name, make in BASELINES.items()}
    for name, method in methods.items():
        maps = run_in_batches(method, pixels, labels)
        found: Found = {}
        for base, covered in bases.items():
            deletion, insertion = trace_curves(subject, pixels, labels, maps, covered)
            saco = measure_saco(subject, pixels, labels, maps, covered)
            values = (deletion, insertion, insertion - deletion, saco)
            found |= {f"{one} {base}": value for one, value in zip(MEASURES, values, strict=True)}
        for one in ("difference", "saco"):
            found[one] = np.mean([found[f"{one} {base}"] for base in BASELINES], axis=0)
        few = slice(ROAD_PICTURES)
        road = measure_road(subject, pixels[few], labels[few], maps[few])
        print(f"  {name:28} " + " ".join(f"{found[one].mean():.3f}" for one in JUDGED), flush=True)
        yield name, found | {"road": road}


def _summarize(found: dict[str, Found], sources: NDArray[np.int64]) -> Record:
    """Return the interval of each method's measures."""
    return {
        name: {
            measure: Bootstrap(sources[: len(values)]).find_interval(values)
            for measure, values in measures.items()
        }
        for name, measures in found.items()
    }


def _compare(found: dict[str, Found], sources: NDArray[np.int64]) -> Record:
    """Return how much better the default is than each other method, with paired intervals."""
    return {
        measure: Bootstrap(sources[: len(found[DEFAULT][measure])]).compare(
            {name: values[measure] for name, values in found.items()}, DEFAULT
        )
        for measure in (*JUDGED, "road")
    }


def judge(result: Record) -> Record:
    """Return which numbers that were wanted are reached on a set."""
    methods, pointing = result["methods"], result["pointing"]
    verdict: Record = {
        f"{one} beside the ceiling": round(methods[DEFAULT][one][0] / methods[CEILING][one][0], 3)
        for one in JUDGED
    }
    for rival in ("random", "centre", "rollout"):
        for one in JUDGED:
            is_above = methods[DEFAULT][one][1] > methods[rival][one][2]
            verdict[f"{one} above {rival}, intervals disjoint"] = is_above
    verdict["pointing beside chance"] = round(pointing[DEFAULT][0] / 0.25, 2)
    verdict["random head"] = result["random_head"][DEFAULT]
    return verdict
