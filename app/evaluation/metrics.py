"""How good predictions are: accuracy, precision, recall, confusions and loss.

It knows logits and label ids alone, not where they come from.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.backend import Activation, Logits

Ids = NDArray[np.int64]

TOP = 5
CHUNK = 1 << 22
"""Logits that are looked at once, so that what is computed of them needs little memory."""


@dataclass(frozen=True, slots=True)
class LabelMetrics:
    """One label.

    Attributes:
        label: its name.
        support: images that have it.
        predicted: images that it was predicted for.
        precision: share of those predicted that have it; 0 where it was never predicted.
        recall: share of those that have it for which it was predicted; 0 without support.
        f1: harmonic mean of the two.
    """

    label: str
    support: int
    predicted: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Metrics:
    """What predictions are worth; shares are 0 to 1.

    Attributes:
        accuracy: share of images whose best label is theirs.
        top5: share of images whose label is among the best five (all, where they are fewer).
        macro_precision: mean over the labels that have images, as the next two.
        macro_recall: also called balanced accuracy.
        macro_f1: mean of the labels' F1.
        loss: mean cross entropy; of each label alone for sigmoid; None where logits are scores.
        labels: each label, by id.
        label_ids: true ids `[n]`.
        predicted_ids: best ids `[n]`; of equal ones the lowest.
    """

    accuracy: float
    top5: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    loss: float | None
    labels: tuple[LabelMetrics, ...] = field(repr=False)
    label_ids: Ids = field(repr=False)
    predicted_ids: Ids = field(repr=False)

    def choose_confused(self, most: int) -> Ids:
        """Choose the ids to show in a matrix: all, or of more than `most` the most confused."""
        if len(self.labels) <= most:
            return np.arange(len(self.labels))
        pairs = self.list_confusions(most)
        chosen = list(dict.fromkeys(one for pair in pairs for one in pair[:2]))[:most]
        return np.array(sorted(chosen), np.int64)

    def count_confusions(self, ids: Ids) -> Ids:
        """Count images among some labels, `[ids, ids]`: rows are true ones, columns predicted."""
        places = np.full(len(self.labels), -1, np.int64)
        places[ids] = np.arange(len(ids))
        rows, columns = places[self.label_ids], places[self.predicted_ids]
        inside = (rows >= 0) & (columns >= 0)
        found = np.zeros((len(ids), len(ids)), np.int64)
        np.add.at(found, (rows[inside], columns[inside]), 1)
        return found

    def rank_labels(self) -> list[int]:
        """List the ids of labels that have images or were predicted, the worst F1 first."""
        shown = (at for at, one in enumerate(self.labels) if one.support or one.predicted)
        return sorted(shown, key=lambda at: (self.labels[at].f1, -self.labels[at].support))

    def list_confusions(self, most: int) -> list[tuple[int, int, int]]:
        """List the most frequent mistakes: true id, predicted id, and number of images."""
        wrong = self.label_ids != self.predicted_ids
        pairs = np.stack([self.label_ids[wrong], self.predicted_ids[wrong]], axis=1)
        found, counts = np.unique(pairs, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:most]
        return [(int(found[at, 0]), int(found[at, 1]), int(counts[at])) for at in order]


def compute_metrics(
    logits: Logits, label_ids: Ids, labels: Sequence[str], activation: Activation
) -> Metrics:
    """Compute all metrics.

    Args:
        logits: `[n, labels]` float32, finite; n is at least 1.
        label_ids: true ids `[n]`.
        labels: names, by id.
        activation: of the model.
    """
    predicted_ids = logits.argmax(-1).astype(np.int64)
    ranks = np.concatenate([_rank(*chunk) for chunk in split(logits, label_ids)])
    found = _measure_labels(label_ids, predicted_ids, labels)
    present = [one for one in found if one.support]
    return Metrics(
        accuracy=float((predicted_ids == label_ids).mean()),
        top5=float((ranks < TOP).mean()),
        macro_precision=float(np.mean([one.precision for one in present])),
        macro_recall=float(np.mean([one.recall for one in present])),
        macro_f1=float(np.mean([one.f1 for one in present])),
        loss=_compute_loss(logits, label_ids, activation),
        labels=found,
        label_ids=label_ids,
        predicted_ids=predicted_ids,
    )


def split(logits: Logits, label_ids: Ids) -> Iterator[tuple[Logits, Ids]]:
    """Split logits and ids into chunks of some images."""
    step = max(1, CHUNK // max(1, logits.shape[1]))
    for start in range(0, len(logits), step):
        yield logits[start : start + step], label_ids[start : start + step]


def score_all(
    logits: Logits, activation: Activation, temperature: float = 1.0
) -> NDArray[np.float32]:
    """Compute scores `[n, labels]`; at 1 as `app.prediction.scores.compute_scores` does each row.

    Only softmax has a temperature.
    """
    if activation == "none":
        return logits
    with np.errstate(over="ignore"):  # an exponent too large for float32 scores 0 or 1
        if activation == "sigmoid":
            return np.asarray(1.0 / (1.0 + np.exp(-logits)), dtype=np.float32)
        shifted = logits - logits.max(-1, keepdims=True)
        exponents = np.exp(shifted / np.float32(temperature))
        return np.asarray(exponents / exponents.sum(-1, keepdims=True), dtype=np.float32)


def compute_nll(logits: Logits, label_ids: Ids, temperature: float = 1.0) -> float:
    """Compute the mean negative log likelihood of softmax, in nats."""
    total = 0.0
    for chunk, ids in split(logits, label_ids):
        exact = chunk.astype(np.float64)
        shifted = (exact - exact.max(-1, keepdims=True)) / temperature
        own = shifted[np.arange(len(ids)), ids]
        total += float((np.log(np.exp(shifted).sum(-1)) - own).sum())
    return total / len(logits)


def _rank(logits: Logits, label_ids: Ids) -> Ids:
    """Rank the true label among all, from 0; of equal logits the lowest id is first."""
    own = logits[np.arange(len(logits)), label_ids][:, None]
    is_before = np.arange(logits.shape[1]) < label_ids[:, None]
    return np.asarray(((logits > own) | ((logits == own) & is_before)).sum(-1), dtype=np.int64)


def _compute_loss(logits: Logits, label_ids: Ids, activation: Activation) -> float | None:
    """Compute the mean cross entropy of an activation, in nats; None where there is none."""
    if activation == "softmax":
        return compute_nll(logits, label_ids)
    if activation == "none":
        return None
    total = 0.0
    for chunk, ids in split(logits, label_ids):
        exact = chunk.astype(np.float64)
        own = exact[np.arange(len(ids)), ids]
        total += float(np.logaddexp(0, exact).sum() - own.sum())
    return total / logits.size


def _measure_labels(
    label_ids: Ids, predicted_ids: Ids, labels: Sequence[str]
) -> tuple[LabelMetrics, ...]:
    """Measure each label."""
    count = len(labels)
    support = np.bincount(label_ids, minlength=count)
    predicted = np.bincount(predicted_ids, minlength=count)
    right = np.bincount(label_ids[label_ids == predicted_ids], minlength=count)
    precision = right / np.maximum(1, predicted)
    recall = right / np.maximum(1, support)
    f1 = 2 * right / np.maximum(1, support + predicted)
    columns = (one.tolist() for one in (support, predicted, precision, recall, f1))
    return tuple(LabelMetrics(*row) for row in zip(labels, *columns, strict=True))
