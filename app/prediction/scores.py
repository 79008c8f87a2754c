"""Logits become predictions, as transformers' image-classification pipeline does it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.backend import Activation, Logits
from app.errors import InternalError, InvalidRequestError
from schemas import DEFAULT_TOP_K, Prediction, PredictOptions


def check_logits(logits: Logits) -> None:
    """Refuse logits that are no numbers, what an image gets that the model fails on.

    Raises:
        InternalError: one is not finite.
    """
    if not np.isfinite(logits).all():
        raise InternalError("The model gave a score that is not a number.")


def compute_scores(logits: Logits, activation: Activation) -> NDArray[np.float32]:
    """Compute the scores `[labels]` of logits `[labels]`, float32.

    Raises:
        InternalError: a score is not a finite number.
    """
    check_logits(logits)
    with np.errstate(over="ignore"):  # an exponent too large for float32 scores 0 or 1
        if activation == "softmax":
            exponents = np.exp(logits - logits.max())
            return np.asarray(exponents / exponents.sum(), dtype=np.float32)
        if activation == "sigmoid":
            return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=np.float32)
    return logits


def rank_predictions(
    scores: NDArray[np.float32], labels: Sequence[str], options: PredictOptions
) -> list[Prediction]:
    """List the best of `labels` by falling score `[labels]`; equal ones by rising label id.

    A threshold of 0 leaves nothing out: a regression may answer below zero.

    Raises:
        InvalidRequestError: `top_k` is more than the number of labels. The default is let
            through, because generated clients send it, and gives all labels where they are fewer.
    """
    if options.top_k > len(labels) and options.top_k != DEFAULT_TOP_K:
        message = f"query top_k: must be 1 to {len(labels)}, the number of labels of this model."
        raise InvalidRequestError(message)
    best = np.argsort(-scores, kind="stable")[: options.top_k]
    least = options.threshold or -np.inf
    return [
        Prediction(label=labels[index], label_id=int(index), score=float(scores[index]))
        for index in best
        if scores[index] >= least
    ]
