"""Outputs of a request: the scores and logits of its images, as tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.api.open_inference.tensors import Tensor
from app.errors import InvalidRequestError
from app.prediction.result import Classified
from app.prediction.scores import compute_scores

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
    values = np.stack([_choose_values(wanted.name, image) for image in images])
    if not wanted.classes:
        return Tensor(wanted.name, "FP32", values.shape, values)
    labels = images[0].description.labels
    rows = [_name_best(row, labels, wanted.classes) for row in values]
    best = [text for row in rows for text in row]
    return Tensor(wanted.name, "BYTES", (len(rows), len(rows[0])), best)


def _choose_values(name: str, image: Classified) -> NDArray[np.float32]:
    """Choose the values of an output for an image, `[labels]`."""
    if name == "logits":
        return image.logits
    return compute_scores(image.logits, image.description.activation)


def _name_best(values: NDArray[np.float32], labels: Sequence[str], count: int) -> list[bytes]:
    """Name the best labels as Triton does, by falling value; equal ones by rising index."""
    best = np.argsort(-values, kind="stable")[:count]
    return [f"{values[index]:f}:{index}:{labels[index]}".encode() for index in best]
