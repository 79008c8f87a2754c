"""What is found in a dataset before training: unreadable images, near-duplicates, rare labels."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from app.datasets.labelled import LabelledDataset
from app.datasets.sample import Sample
from app.errors import DatasetError
from app.hostile_text import clean_text
from app.training.duplicates import find_duplicates

MAX_LABELS = 10_000
"""Of a dataset: the confusion of more fills the memory, and a wrong column has often as many."""

FEW_IMAGES = 10
"""Training images of a label, below which it is told."""

MAX_NAME = 200
"""Characters of a path or label that are shown."""

MAX_SHOWN = 5
"""Images of a kind that are listed on the terminal; the report lists more."""


class Unreadable(NamedTuple):
    """An image that is left out."""

    sample: Sample
    problem: str


class Duplicates(NamedTuple):
    """A held-out image that is almost the same as a training image."""

    train: Sample
    held_out: Sample
    difference: float


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found.

    Attributes:
        counts: readable training images of each label, by label id.
        held_out: readable held-out images.
        unreadable: images that are left out.
        duplicates: the most alike first.
    """

    counts: tuple[int, ...]
    held_out: int
    unreadable: tuple[Unreadable, ...]
    duplicates: tuple[Duplicates, ...]


def check_labels(dataset: LabelledDataset) -> None:
    """Refuse a dataset that nothing can be learned from; raises DatasetError."""
    count = len(dataset.labels)
    if count > MAX_LABELS:
        message = (
            f"The dataset has {count} labels; at most {MAX_LABELS} can be tuned. If these are "
            "names of images, give another --label-column or another folder."
        )
        raise DatasetError(message)
    if not dataset.train or not dataset.held_out:
        message = (
            f"{len(dataset.train)} images to train on and {len(dataset.held_out)} held out: both "
            "are needed. Give more images, or another --holdout."
        )
        raise DatasetError(message)


def survey_pixels(pixels: Any, dataset: LabelledDataset, labels: Sequence[str]) -> Survey:  # noqa: ANN401
    """Survey what Ray Data has read.

    Args:
        pixels: as of `read_pixels`.
        dataset: whose images it reads.
        labels: names, by label id.

    Raises:
        DatasetError: too few images are readable.
    """
    columns = _collect(pixels)
    samples = [*dataset.train, *dataset.held_out]
    bad = columns["problem"] != ""
    held_out = columns["held_out"]
    parts = [np.flatnonzero(~bad & (held_out == side)) for side in (False, True)]
    pairs = find_duplicates(
        *((columns["hash"][part], columns["thumbnail"][part]) for part in parts)
    )
    numbers = columns["number"]
    survey = Survey(
        counts=tuple(np.bincount(columns["label_id"][parts[0]], minlength=len(labels)).tolist()),
        held_out=len(parts[1]),
        unreadable=tuple(
            Unreadable(samples[numbers[place]], str(columns["problem"][place]))
            for place in np.flatnonzero(bad)
        ),
        duplicates=tuple(
            Duplicates(
                samples[numbers[parts[0][pair.train]]],
                samples[numbers[parts[1][pair.held_out]]],
                pair.difference,
            )
            for pair in pairs
        ),
    )
    _check_readable(survey, labels)
    return survey


def list_findings(survey: Survey, labels: Sequence[str]) -> Iterator[str]:
    """List what was found, as lines for a terminal."""
    yield f"{sum(survey.counts)} images to train on, {survey.held_out} held out"
    more = ", …" if len(labels) > MAX_SHOWN else ""
    yield f"{len(labels)} labels: {', '.join(map(_show, labels[:MAX_SHOWN]))}{more}"
    if survey.unreadable:
        kinds = Counter(one.problem.split(":")[0] for one in survey.unreadable)
        found = ", ".join(f"{count} {kind.lower()}" for kind, count in kinds.most_common())
        yield f"{len(survey.unreadable)} images are left out: {found}"
        yield from (f"  {_show(one.sample.path)}" for one in survey.unreadable[:MAX_SHOWN])
    if survey.duplicates:
        count = len(survey.duplicates)
        yield f"{count} held-out images are almost the same as one to train on, so the accuracy"
        yield "  flatters; such as"
        for one in survey.duplicates[:MAX_SHOWN]:
            yield f"  {_show(one.held_out.path)} and {_show(one.train.path)}"
    if rare := list_rare(survey, labels):
        some = ", ".join(f"{_show(label)} ({count})" for label, count in rare[:MAX_SHOWN])
        yield f"{len(rare)} labels have fewer than {FEW_IMAGES} images to train on: {some}"


def list_rare(survey: Survey, labels: Sequence[str]) -> list[tuple[str, int]]:
    """List labels with few images to train on, the rarest first."""
    pairs = zip(labels, survey.counts, strict=True)
    return sorted((one for one in pairs if one[1] < FEW_IMAGES), key=lambda one: one[1])


def _show(name: str) -> str:
    """Make a name from outside fit for a terminal."""
    return clean_text(name, MAX_NAME)


def _collect(pixels: Any) -> dict[str, Any]:  # noqa: ANN401 - Ray has no types
    """Collect the small columns of all images."""
    names = ["number", "label_id", "held_out", "hash", "thumbnail", "problem"]
    found = list(pixels.select_columns(names).iter_batches(batch_size=None, batch_format="numpy"))
    return {name: np.concatenate([batch[name] for batch in found]) for name in names}


def _check_readable(survey: Survey, labels: Sequence[str]) -> None:
    """Refuse a dataset with too few readable images."""
    empty = [label for label, count in zip(labels, survey.counts, strict=True) if not count]
    if not empty and survey.held_out:
        return
    first = survey.unreadable[0] if survey.unreadable else None
    reason = f" ({_show(first.sample.path)}: {_show(first.problem)})" if first else ""
    what = f"No image of {_show(empty[0])} to train on" if empty else "No held-out image"
    raise DatasetError(f"{what} can be read{reason}. Add images, or remove the label.")
