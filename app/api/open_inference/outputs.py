"""Outputs of a request: the scores and logits of its images, as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.api.open_inference.tensors import Tensor
from app.errors import InvalidRequestError
from app.prediction.result import Classified
from app.prediction.scores import choose_order

OUTPUTS: Final = ("scores", "logits")


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that is asked for.

    Attributes:
        name: one of `OUTPUTS`.
        classes: how many of the best labels to answer as text, by the protocol's classification
            extension; 0 for the tensor itself.
    """

    name: str
    classes: int = 0


def choose_outputs(asked: Sequence[Wanted]) -> Sequence[Wanted]:
    """Choose the outputs to answer: those asked for, or all.

    Raises:
        InvalidRequestError: one is unknown, asked for twice, or of a negative number of labels.
    """
    names = [wanted.name for wanted in asked]
    known = " and ".join(f"`{name}`" for name in OUTPUTS)
    if not set(names) <= set(OUTPUTS):
        raise InvalidRequestError(f"An output that is asked for is unknown; there are {known}.")
    if len(set(names)) < len(names):
        raise InvalidRequestError("An output is asked for twice.")
    if any(wanted.classes < 0 for wanted in asked):
        raise InvalidRequestError("`classification` is a number of labels: 1 or more.")
    return asked or [Wanted(name) for name in OUTPUTS]


def build_output(wanted: Wanted, images: Sequence[Classified]) -> Tensor:
    """Build an output `[n, labels]` of FP32, or `[n, classes]` of `value:index:label`.

    The images must be of one revision.
    """
    is_logits = wanted.name == "logits"
    values = np.stack([image.logits if is_logits else image.scores for image in images])
    if not wanted.classes:
        return Tensor(wanted.name, "FP32", values.shape, values)
    pairs = zip(values, images, strict=True)
    rows = [_name_best(row, image, wanted.classes) for row, image in pairs]
    best = [text for row in rows for text in row]
    return Tensor(wanted.name, "BYTES", (len(rows), len(rows[0])), best)


def _name_best(values: NDArray[np.float32], image: Classified, count: int) -> list[bytes]:
    """Name the best labels as Triton does, by falling value; equal ones by rising index."""
    order = choose_order(image.logits, image.description.temperature)
    best = np.argsort(-(values if order is None else order), kind="stable")[:count]
    labels = image.description.labels
    return [f"{values[index]:f}:{index}:{labels[index]}".encode() for index in best]
