"""The labels of a dataset, found among those of a model."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from app.errors import DatasetError
from app.evaluation.metrics import Ids
from app.hostile_text import clean_text

MAX_SHOWN = 5
"""Labels that an error names."""


def match_labels(found: Sequence[str], known: Sequence[str]) -> Ids:
    """Find the label ids `[n]` of a dataset's labels: by name, else by id where all are numbers.

    Args:
        found: the label of each sample.
        known: the model's labels, by id.

    Raises:
        DatasetError: the model does not have one of them, or has it twice.
    """
    ids: dict[str, int] = {}
    for label_id, label in enumerate(known):
        ids.setdefault(label, label_id)
    counts = Counter(known)
    asked = list(dict.fromkeys(found))
    unknown = [label for label in asked if label not in ids]
    if unknown:
        if not all(_is_id(label, len(known)) for label in asked):
            raise DatasetError(_describe_unknown(unknown, asked, known))
        ids = {label: int(label) for label in asked}
    elif twice := [label for label in asked if counts[label] > 1]:
        message = f"the model has more than one label named {_name(twice)}"
        raise DatasetError(f"{message}. Name the dataset's labels by their ids.")
    return np.array([ids[label] for label in found], np.int64)


def _is_id(label: str, count: int) -> bool:
    """Tell whether a label is an id."""
    return label.isascii() and label.isdecimal() and len(label) < 10 and int(label) < count  # noqa: PLR2004 - of digits


def _describe_unknown(unknown: Sequence[str], asked: Sequence[str], known: Sequence[str]) -> str:
    """Say which labels do not fit, and which would."""
    return (
        f"{len(unknown)} of the dataset's {len(asked)} labels are none of the model's: "
        f"{_name(unknown)}. The model has {len(known)}: {_name(known)}, with ids 0 to "
        f"{len(known) - 1}. Name the dataset's labels so, all of them, or all by id."
    )


def _name(labels: Sequence[str]) -> str:
    """Name the first labels."""
    more = ", …" if len(labels) > MAX_SHOWN else ""
    return ", ".join(repr(clean_text(label, 60)) for label in labels[:MAX_SHOWN]) + more
