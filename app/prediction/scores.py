"""Predictions from logits, equal to those of transformers' image-classification pipeline."""

import heapq
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.backend import Activation, Logits
from app.errors import InternalError, InvalidRequestError
from schemas import DEFAULT_TOP_K, Prediction, PredictOptions


def check_logits(logits: Logits) -> None:
    """Raise InternalError unless all logits are finite; NaN means that the model failed."""
    if not np.isfinite(logits).all():
        raise InternalError("The model gave a score that is not a number.")


def compute_scores(
    logits: Logits, activation: Activation, temperature: float = 1.0
) -> NDArray[np.float32]:
    """Compute scores `[labels]`, float32, of logits `[labels]`.

    Args:
        logits: of one image.
        activation: what turns them into scores.
        temperature: what they are divided by before softmax.

    Raises:
        InternalError: a logit is not a finite number.
    """
    check_logits(logits)
    with np.errstate(over="ignore"):  # an exponent too large for float32 scores 0 or 1
        if activation == "softmax":
            below = logits - logits.max()
            if temperature != 1.0:
                below /= temperature
            exponents = np.exp(below)
            return np.asarray(exponents / exponents.sum(), dtype=np.float32)
        if activation == "sigmoid":
            return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=np.float32)
    return logits


def choose_order(logits: Logits, temperature: float) -> Logits | None:
    """Choose what ranks labels: the logits of calibrated scores, else None for the scores.

    A temperature may bring two logits so near that float32 scores them alike; the best label stays.
    """
    return None if temperature == 1.0 else logits


def rank_predictions(
    scores: NDArray[np.float32],
    labels: Sequence[str],
    options: PredictOptions,
    order: NDArray[np.float32] | None = None,
) -> list[Prediction]:
    """List the best labels by falling score, equal ones by rising label id.

    A threshold of 0 excludes nothing, because a regression may be negative.

    Args:
        scores: `[labels]`.
        labels: their names.
        options: how many.
        order: `[labels]`, what ranks them if not the scores, as `choose_order` gives it.

    Raises:
        InvalidRequestError: `top_k` exceeds the number of labels. Its default is permitted, because
            generated clients send it, and returns all labels if they are fewer.
    """
    if options.top_k > len(labels) and options.top_k != DEFAULT_TOP_K:
        message = f"top_k: must be 1 to {len(labels)}, the number of labels of this model."
        raise InvalidRequestError(message)
    values = scores.tolist()  # NumPy's own sort would let another thread take the interpreter
    ranks = values if order is None else order.tolist()
    best = heapq.nlargest(options.top_k, range(len(values)), ranks.__getitem__)  # a stable order
    least = options.threshold or -np.inf
    return [
        Prediction(label=labels[index], label_id=index, score=values[index])
        for index in best
        if values[index] >= least
    ]
