"""Labelled samples: folders named by their labels, and tables with a column of labels."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.datasets.holdout import hold_out
from app.datasets.inputs import open_table, translate_listing
from app.datasets.label_folders import HELD_OUT, TRAIN, LabelFolders
from app.datasets.location import find_storage
from app.datasets.names import describe_failure, show_location
from app.datasets.once import keep_first
from app.datasets.sample import TABLE_SUFFIXES, Sample
from app.datasets.table_columns import TableColumns
from app.datasets.walk import has_suffix
from app.errors import DatasetError

MIN_LABELS = 2
MAX_SHOWN = 5
"""Labels that an error names."""

_logger = logging.getLogger("vitrine.datasets")


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """How a dataset is read.

    Attributes:
        column: of a table, with paths or the bytes of images.
        label_column: of a table.
        holdout: share that is held out where the dataset is not split, 0 to 1.
        seed: that chooses what is held out.
    """

    column: str | None = None
    label_column: str | None = None
    holdout: float = 0.2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LabelledDataset:
    """Labelled samples, to train and held out.

    Attributes:
        labels: all of them, sorted: as numbers where all are, else as text.
        train: samples.
        held_out: samples; every label of theirs is in `train`, too.
    """

    labels: tuple[str, ...]
    train: tuple[Sample, ...]
    held_out: tuple[Sample, ...]


def open_dataset(dataset: str, options: DatasetOptions) -> LabelledDataset:
    """Open a dataset to train on: `train/LABEL/*` with a held-out folder, `LABEL/*`, or a table.

    Raises:
        DatasetError: it cannot be read, has fewer than two labels, a label without samples, or one
            that is held out alone.
    """
    parts = _open_parts(dataset, options, skip_empty=False)
    by_label = _group(_keep_labelled(parts[TRAIN], dataset))
    if len(by_label) < MIN_LABELS:
        found = f"has {_count(by_label)}; at least {MIN_LABELS} are needed to train"
        raise DatasetError(f"{show_location(dataset)} {found}.")
    if HELD_OUT not in parts:
        return LabelledDataset(tuple(by_label), *hold_out(by_label, options.holdout, options.seed))
    held_out = _group(_keep_labelled(parts[HELD_OUT], dataset))
    if unknown := [label for label in held_out if label not in by_label]:
        message = f"{show_location(dataset)} has {_count(unknown)} that are held out alone"
        raise DatasetError(f"{message}: give samples of them to train on, or remove them.")
    return LabelledDataset(tuple(by_label), _flatten(by_label), _flatten(held_out))


def open_labelled(dataset: str, options: DatasetOptions) -> list[Sample]:
    """Open the labelled samples to evaluate with: the held-out part, or all where none is.

    Raises:
        DatasetError: it cannot be read, or no sample has a label.
    """
    parts = _open_parts(dataset, options, skip_empty=True)
    samples = _keep_labelled(parts.get(HELD_OUT, parts[TRAIN]), dataset)
    if not samples:
        raise DatasetError(f"{show_location(dataset)} has no labelled image.")
    return samples


def _open_parts(
    dataset: str, options: DatasetOptions, *, skip_empty: bool
) -> dict[str, Iterator[Sample]]:
    """Open the parts of a dataset by name: TRAIN, and HELD_OUT where it is split."""
    try:
        storage, path = find_storage(dataset)
        kind = storage.find_kind(path)
        if kind == "nothing":
            raise DatasetError(f"{storage.show(path)} does not exist.")
        if kind == "file":
            return {TRAIN: _open_table(path, storage.make_uri(path), options)}
        parts = LabelFolders(storage, path, skip_empty=skip_empty).list_parts()
    except (OSError, ValueError) as exc:
        message = f"{show_location(dataset)} cannot be read: {describe_failure(exc)}."
        raise DatasetError(message) from exc
    return {name: translate_listing(part, dataset) for name, part in parts.items()}


def _open_table(path: str, uri: str, options: DatasetOptions) -> Iterator[Sample]:
    """Find the labelled samples of a table."""
    if not has_suffix(path, TABLE_SUFFIXES):
        kinds = "a folder of labels, a .parquet or a .csv"
        raise DatasetError(f"{show_location(path)} is no dataset. Give {kinds}.")
    table = open_table(uri)
    return TableColumns(uri, table, options.column, options.label_column or "").find_samples()


def _keep_labelled(samples: Iterator[Sample], dataset: str) -> list[Sample]:
    """Keep each sample that has a label, once, and say how many have none."""
    found = list(keep_first(samples))
    labelled = [one for one in found if one.label is not None]
    if len(labelled) < len(found):
        count = len(found) - len(labelled)
        _logger.warning(
            "%d images of %s have no label and are left out", count, show_location(dataset)
        )
    return labelled


def _group(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Group samples by label, sorted."""
    by_label: dict[str, list[Sample]] = {}
    for sample in samples:
        by_label.setdefault(str(sample.label), []).append(sample)
    return {label: by_label[label] for label in sort_labels(by_label)}


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Sort labels, as numbers where all are."""
    found = list(labels)
    are_numbers = all(label.isascii() and label.isdecimal() for label in found)
    return sorted(found, key=lambda label: (int(label) if are_numbers else 0, label))


def _flatten(by_label: Mapping[str, Sequence[Sample]]) -> tuple[Sample, ...]:
    """Give the samples label by label."""
    return tuple(sample for samples in by_label.values() for sample in samples)


def _count(labels: Iterable[str]) -> str:
    """Count labels and name the first of them."""
    found = [label[:100] for label in labels]
    names = ", ".join(found[:MAX_SHOWN]) + (", …" if len(found) > MAX_SHOWN else "")
    return f"{len(found)} label{'' if len(found) == 1 else 's'}" + (f" ({names})" if found else "")
